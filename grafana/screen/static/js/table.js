// Grafana's table panel. On a phone each row becomes a card, by the style sheet.
import { el, setText } from "./dom.js";
import { fieldConfig, mapped } from "./fields.js";
import { figure, shortened } from "./format.js";
import { address } from "./link.js";
import { t } from "./text.js";

// As many as the style sheet leaves in sight on a phone.
const FIRST_ROWS = 8;

export function table(panel, frame) {
  const head = el("tr");
  const rows = el("tbody");
  const element = el("table", {}, el("thead", {}, head), rows);
  // Scrolled by keyboard too, so it takes the focus.
  const holder = el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": panel.title }, element);
  // On a phone, where rows are cards, a long table opens with its first ones.
  const more = el("button", { type: "button", class: "more", onclick: () => frame.root.classList.add("all-rows") });
  frame.body.append(holder, more);

  return {
    update(result) {
      const fields = result.columns
        .map((column) => ({ column, config: fieldConfig(panel, column.name) }))
        .filter((f) => !f.config.custom?.hidden);
      head.replaceChildren(...fields.map(heading));
      rows.replaceChildren(...Array.from({ length: result.rows }, (_, i) => line(fields, result.columns, i)));
      setText(frame.extra, result.rows > 0 ? t("rows").replace("{n}", result.rows) : "");
      setText(more, t("allRows").replace("{n}", result.rows));
      more.hidden = result.rows <= FIRST_ROWS;
      if (result.rows === 0) frame.covered("empty", t("noRows"));
      else frame.drawn();
    },
    restyle() {},
    destroy() {},
  };
}

const numeric = ({ column }) => column.type === "number";

function heading(field) {
  const cell = el("th", { scope: "col", class: numeric(field) ? "right" : null }, title(field));
  const width = field.config.custom?.width;
  if (width) cell.style.width = `${width}px`;
  return cell;
}

const title = ({ column, config }) => config.displayName || column.name;

function line(fields, columns, index) {
  const row = (name) => columns.find((c) => c.name === name)?.values[index];
  return el("tr", {}, ...fields.map((field) => cell(field, index, row)));
}

function cell(field, index, row) {
  const { column, config } = field;
  const value = column.values[index];
  const classes = [numeric(field) ? "right" : null, config.custom?.cellOptions?.wrapText ? "wrap" : null, column.type === "time" ? "time" : null];
  return el("td", { class: classes.filter(Boolean).join(" ") || null, "data-label": title(field), "data-field": column.name }, linked(config, value, row, content(config, column, value)));
}

// A figure that leads somewhere is a plain link, so that it works with the keyboard and in a new tab.
function linked(config, value, row, shown) {
  const link = config.links?.[0];
  const to = link && value !== null && value !== "" ? address(link.url, value, row) : null;
  return to ? el("a", { href: to, title: link.title, class: "drill" }, shown) : shown;
}

function content(config, column, value) {
  if (value === null) return el("span", { class: "none" }, config.noValue || t("unknown"));
  if (value === "") return el("span", { class: "none" }, "—");
  const label = mapped(config, value);
  if (label?.color && config.custom?.cellOptions?.type === "color-background") {
    const badge = el("span", { class: "badge" }, label.text);
    badge.style.setProperty("--tone", label.color);
    return badge;
  }
  if (label) return label.text;
  if (column.type !== "string") return figure(value, config.unit, config.decimals);
  const short = shortened(value);
  return short === value ? value : el("span", { title: value, class: "pid" }, short);
}
