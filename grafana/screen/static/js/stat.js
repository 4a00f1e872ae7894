// Grafana's stat panel: the last known figure of each chosen field, and its course.
import { el, setText } from "./dom.js";
import { fieldConfig, regexp, thresholdColor } from "./fields.js";
import { clock, figure, monthDay } from "./format.js";
import { column, lastKnown, PROVISIONAL } from "./frame.js";
import { spark } from "./spark.js";
import { t } from "./text.js";

// A figure older than this, counted from the end of the range, is not the present one.
const STALE_MS = 10 * 60 * 1000;

export function stat(panel, frame) {
  const wanted = panel.options.reduceOptions?.fields;
  const row = el("div", { class: "values" });
  const under = el("p", { class: "under" });
  const course = panel.options.graphMode === "area" ? spark() : null;
  frame.body.append(row, ...(course ? [course.svg] : []), under);

  return {
    update(result, span) {
      const names = chosen(result, wanted);
      const shown = names.map((name) => reading(result, name, span));
      row.replaceChildren(...names.map((name, i) => value(panel, name, shown[i], names.length)));
      setText(under, names.length === 1 ? footnote(panel, names[0], shown[0]) : "");
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
function reading(result, name, span) {
  const closed = lastKnown(result, name);
  const open = lastKnown(result, `${name}_provisional`) || latestMinute(result, name);
  const known = closed && (closed.time === null || span.to - closed.time <= STALE_MS);
  return { closed: known ? closed : null, open, old: known ? null : closed };
}

const latestMinute = (result, name) =>
  name === "closed_minute" ? lastKnown(result, "latest_minute") : null;

function value(panel, name, { closed, open }, count) {
  const config = fieldConfig(panel, name);
  const shown = closed || open;
  const [shape, word] = apart(config.displayName || name);
  const text = (count > 1 ? shape : "") + panelFigure(config, shown ? shown.value : null);
  const number = el("span", { class: shown ? "number" : "number none" }, text);
  const color = config.color?.fixedColor || (shown && thresholdColor(config, shown.value));
  if (color) number.style.setProperty("--tone", color);
  const label = count > 1 ? el("span", { class: "label" }, word) : null;
  const mark = !closed && open ? el("span", { class: "chip" }, t("provisional")) : null;
  return el("div", { class: "value" }, number, mark, label);
}

// "▲ Critical": in a narrow tile the shape goes to the number and the word under it.
function apart(label) {
  const found = /^([^\p{L}\p{N}\s])\s+(.+)$/u.exec(label);
  return found ? [`${found[1]}\u2009`, found[2]] : ["", label];
}

function panelFigure(config, shown) {
  if (config.unit === "dateTimeAsIso" && shown !== null) return clock(shown);
  return figure(shown, config.unit, config.decimals);
}

function footnote(panel, name, { closed, open, old }) {
  const config = fieldConfig(panel, name);
  if (config.unit === "dateTimeAsIso") {
    return closed || open ? `${monthDay((closed || open).value)} ${t("zone")}` : t("noData");
  }
  if (closed) {
    const fresh = open && open.time > closed.time;
    const then = fresh ? ` · ${t("prov")} ${panelFigure(config, open.value)}` : "";
    return closed.time === null ? "" : clock(closed.time) + then;
  }
  if (open) return clock(open.time);
  return old ? `${t("lastKnown")} ${clock(old.time)} ${panelFigure(config, old.value)}` : "";
}
