// Grafana's stat panel: the last known figure of each chosen field, and its course.
import { el, setText } from "./dom.js";
import { fieldConfig, mapped, regexp, thresholdColor } from "./fields.js";
import { clock, figure, monthDay } from "./format.js";
import { column, lastKnown, PROVISIONAL } from "./frame.js";
import { spark } from "./spark.js";
import { t } from "./text.js";

// A figure older than this, counted from the end of the range, is not the present one.
const STALE_MS = 10 * 60 * 1000;
const MINUTE_MS = 60 * 1000;

export function stat(panel, frame) {
  const wanted = panel.options.reduceOptions?.fields;
  const row = el("div", { class: "values" });
  const under = el("p", { class: "under" });
  const course = panel.options.graphMode === "area" ? spark() : null;
  frame.body.append(row, ...(course ? [course.svg] : []), under);

  return {
    update(result, span) {
      const names = chosen(result, wanted);
      const step = (result.step_s || 60) * 1000;
      const shown = names.map((name) => reading(result, name, span, step));
      if (names.length > 1 && shown.every((one) => !one.closed && !one.open)) {
        frame.covered("unknown", t("unknown"));
        return;
      }
      const made = names.map((name, i) => value(panel, name, shown[i], names.length));
      // What is announced is said again only when it has changed.
      if (made.some((node, i) => !row.children[i]?.isEqualNode(node)) || row.children.length !== made.length) row.replaceChildren(...made);
      frame.root.style.setProperty("--tone", row.querySelector(".number")?.style.getPropertyValue("--tone") || "");
      setText(under, names.length === 1 ? footnote(panel, names[0], shown[0], step, span) : "");
      course?.draw(column(result, names[0])?.values || []);
      frame.drawn();
    },
    restyle() {},
    destroy() {},
  };
}

function chosen(result, wanted) {
  const pattern = wanted ? regexp(wanted) : null;
  return result.columns
    .filter((c) => (pattern ? pattern.test(c.name) : c.type === "number" && !PROVISIONAL.test(c.name)))
    .map((c) => c.name);
}

// The closed figure, with the newest provisional one beside it.
function reading(result, name, span, step) {
  const closed = lastKnown(result, name);
  const open = lastKnown(result, `${name}_provisional`) || latestMinute(result, name);
  // A figure's time is where its step begins, and a long range has long steps.
  const known = closed && (closed.time === null || span.to - closed.time - step + MINUTE_MS <= STALE_MS);
  // A minute that is still filling says nothing by a zero: that is unknown.
  const told = open && open.value !== 0 ? open : null;
  return { closed: known ? closed : null, open: told, old: known ? null : closed };
}

const latestMinute = (result, name) =>
  name === "closed_minute" ? lastKnown(result, "latest_minute") : null;

function value(panel, name, { closed, open }, count) {
  const config = fieldConfig(panel, name);
  const shown = closed || open;
  const label = shown && mapped(config, shown.value);
  const [shape, word] = apart(config.displayName || name);
  const text = label ? label.text : panelFigure(config, shown ? shown.value : null);
  const number = el("span", { class: shown ? "number" : "number none" }, text);
  if (count > 1 && shape && shown) number.prepend(el("span", { class: "shape", "aria-hidden": "true" }, shape));
  // Nobody is alarmed by a figure that is still filling.
  const color = label?.color || config.color?.fixedColor || (closed && thresholdColor(config, closed.value));
  if (color) number.style.setProperty("--tone", color);
  const under = count > 1 ? el("span", { class: "label" }, word) : null;
  const mark = !closed && open ? el("span", { class: "chip", title: t("provisional") }, t("prov")) : null;
  return el("div", { class: "value" }, number, mark, under);
}

// "▲ Critical": in a narrow tile the shape goes to the number and the word under it.
function apart(label) {
  const found = /^([^\p{L}\p{N}\s])\s+(.+)$/u.exec(label);
  return found ? [found[1], found[2]] : ["", label];
}

function panelFigure(config, shown) {
  if (typeof shown === "string") return shown;
  if (config.unit === "dateTimeAsIso" && shown !== null) return clock(shown);
  return figure(shown, config.unit, config.decimals);
}

function footnote(panel, name, { closed, open, old }, step, span) {
  const config = fieldConfig(panel, name);
  if (config.unit === "dateTimeAsIso") {
    return closed || open ? `${monthDay((closed || open).value)} ${t("zone")}` : t("noData");
  }
  const shown = closed || open;
  if (!shown) return old ? `${t("lastKnown")} ${clock(old.time)} ${panelFigure(config, old.value)}` : "";
  if (shown.time === null) return "";
  const last = Math.min(shown.time + step - MINUTE_MS, span.to);
  if (step > MINUTE_MS && last - shown.time >= MINUTE_MS) return `${clock(shown.time)}–${clock(last)}`;
  const fresh = closed && open && open.time > closed.time;
  return clock(shown.time) + (fresh ? ` · ${t("prov")} ${panelFigure(config, open.value)}` : "");
}
