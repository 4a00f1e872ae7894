// Grafana's time series panel, drawn by uPlot: one line a label, dashed where provisional.
import { el } from "./dom.js";
import { fieldConfig } from "./fields.js";
import { axis, axisSteps, clock, dayClock, figure, monthDay, unitWord } from "./format.js";
import { lines, PROVISIONAL, stacked } from "./frame.js";
import { drawMarks } from "./marks.js";
import { css, slotColor, slots } from "./palette.js";
import { language, t } from "./text.js";
import { tooltip } from "./tooltip.js";

const uPlot = window.uPlot;
const HEIGHT_MIN = 90;

export function series(panel, frame, zoom) {
  const config = fieldConfig(panel, "value");
  const legend = el("ul", { class: "legend" });
  const holder = el("div", {
    class: "plot", tabindex: 0, role: "img", "aria-label": `${panel.title}. ${t("chart")}`,
  });
  frame.body.append(holder, legend);
  const tip = tooltip(holder, config);
  const hidden = new Set();
  let plot = null;
  let drawn = null;
  let bounds = [0, 1];
  const isBars = config.custom?.drawStyle === "bars";

  const observer = new ResizeObserver(() => plot?.setSize(size(holder)));
  observer.observe(holder);
  holder.addEventListener("keydown", (event) => pressed(event, plot, zoom));

  return {
    update(result, span) {
      const found = lines(result);
      if (found.xs.length === 0) {
        frame.covered("empty", `${t("unknown")} · ${t("nothing")}`);
        return;
      }
      bounds = [span.from / 1000, span.to / 1000];
      for (const line of found.lines) entitle(panel, line);
      const slot = slots(found.lines.map((line) => line.name));
      for (const line of found.lines) line.slot = slot.get(line.name);
      frame.drawn();
      const data = [found.xs, ...(isBars ? stacked(found.lines) : found.lines.map((l) => l.ys))];
      const shape = found.lines.map((l) => `${l.name}/${l.field}`).join("\n");
      if (plot && shape === drawn) {
        plot.setData(data, true);
      } else {
        plot?.destroy();
        plot = new uPlot(options(panel, config, found.lines, holder, { bounds: () => bounds, tip, zoom }), data, holder);
        drawn = shape;
        buildLegend(legend, found.lines, hidden, () => plot);
      }
      annotate(frame.extra, unitWord(config.unit), found.lines);
      hideChosen(plot, found.lines, hidden);
      describe(holder, panel, config, found.lines);
    },
    restyle() {
      plot?.redraw(false);
      for (const key of legend.querySelectorAll(".key")) tint(key, { color: key.dataset.color, slot: key.dataset.slot });
    },
    destroy() {
      observer.disconnect();
      plot?.destroy();
    },
  };
}

// The name and colour that the definition gives a line, else its label and the palette's colour.
function entitle(panel, line) {
  const config = fieldConfig(panel, line.code);
  if (config.displayName && !config.displayName.includes("${")) line.name = config.displayName;
  line.color = config.color?.fixedColor || null;
}

const size = (holder) => ({
  width: holder.clientWidth, height: Math.max(holder.clientHeight, HEIGHT_MIN),
});

function options(panel, config, found, holder, { bounds, tip, zoom }) {
  const { min: minimum, max: maximum } = panel.fieldConfig.defaults;
  return {
    ...size(holder),
    padding: [8, 8, 0, 0],
    legend: { show: false },
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Asia/Shanghai"),
    scales: {
      x: { time: true, range: () => bounds() },
      y: { range: (_, low, high) => yRange(minimum, maximum, low, high) },
    },
    cursor: { sync: { key: "livewatch" }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    hooks: {
      setSelect: [(u) => chooseRange(u, zoom)],
      setCursor: [(u) => tip.show(u, found)],
      draw: [(u) => drawLimit(u, config), (u) => drawMarks(u)],
    },
    axes: [timeAxis(bounds), valueAxis(config)],
    series: [{}, ...found.map((line) => drawLine(panel, line))],
  };
}

// From zero up unless the definition says otherwise; flat zero still gets an axis.
function yRange(minimum, maximum, low, high) {
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.1 || Math.abs(high) * 0.1 || 1;
  // A line at the maximum (100%) is not cut in half by the edge.
  const top = maximum !== undefined && high <= maximum ? maximum + 0.03 * (maximum - Math.min(minimum ?? low, low)) : high + room;
  // What is never negative has no axis below zero.
  const bottom = low >= 0 ? Math.max(0, low - room) : low - room;
  return [minimum === undefined ? Math.min(bottom, top - room) : Math.min(minimum, low), top];
}

// The threshold that the definition draws across, dashed, where it is in sight.
function drawLimit(u, config) {
  if (config.custom?.thresholdsStyle?.mode !== "dashed") return;
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = css("--soft");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
  for (const { value } of config.thresholds.steps) {
    if (value === null || value < u.scales.y.min || value > u.scales.y.max) continue;
    const y = Math.round(u.valToPos(value, "y", true));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

function drawLine(panel, line) {
  const custom = fieldConfig(panel, line.field).custom || {};
  const stroke = () => line.color || slotColor(line.slot);
  if (custom.drawStyle === "bars") {
    const paths = uPlot.paths.bars({ size: [0.9, 46], align: 1 });
    return { label: line.name, stroke, fill: stroke, width: 0, paths, points: { show: false } };
  }
  return {
    label: line.name,
    stroke,
    width: custom.lineWidth ? custom.lineWidth * 0.8 : 1.6,
    dash: custom.lineStyle?.fill === "dash" ? custom.lineStyle.dash : undefined,
    spanGaps: false,
    points: { show: true, size: 4, width: 0, fill: stroke, filter: alone },
  };
}

// A point between two unknowns has no line: it is drawn as a dot.
function alone(u, index) {
  const ys = u.data[index];
  const found = [];
  for (let i = 0; i < ys.length; i++) {
    if (ys[i] !== null && (ys[i - 1] ?? null) === null && (ys[i + 1] ?? null) === null) found.push(i);
  }
  return found;
}

const grid = () => ({ stroke: () => css("--grid"), width: 1 });
const font = () => `11px ${css("--font")}`;

function timeAxis(bounds) {
  return {
    stroke: () => css("--soft"), font: font(), size: 26, gap: 4, space: 62,
    grid: { show: false }, ticks: { stroke: () => css("--grid"), size: 4 },
    values: (u, splits) => {
      const long = bounds()[1] - bounds()[0] > 86400;
      const days = splits.length > 1 && splits[1] - splits[0] >= 86400;
      const word = days ? monthDay : long ? dayClock : clock;
      // What the edge would cut in half is left out.
      const edge = u.bbox.width / devicePixelRatio + 8;
      return splits.map((s) => word(s * 1000)).map((text, i) => (u.valToPos(splits[i], "x") + 3.2 * text.length > edge ? "" : text));
    },
  };
}

function valueAxis(config) {
  return {
    stroke: () => css("--soft"), font: font(), gap: 4, space: 34, grid: grid(), ticks: { show: false },
    incrs: (u) => axisSteps(config.unit, u.data.slice(1).every((ys) => ys.every((y) => Number.isInteger(y ?? 0)))),
    size: (_, values) => 14 + 6.4 * Math.max(0, ...(values || []).map((v) => width(v))),
    values: (_, splits) => axis(splits, config.unit),
  };
}

const width = (text) => [...text].reduce((sum, c) => sum + (c > "\u2e80" ? 1.8 : 1), 0);

function chooseRange(u, zoom) {
  if (u.select.width < 8) return;
  const [from, to] = [u.select.left, u.select.left + u.select.width].map((x) => u.posToVal(x, "x"));
  u.setSelect(NOTHING, false);
  zoom(Math.round(from) * 1000, Math.round(to) * 1000);
}

// The keyboard's way to do what the pointer does: arrows move the cursor, with Shift they select,
// Enter zooms into what is selected and Escape lets go of it.
function pressed(event, plot, zoom) {
  if (!plot) return;
  if (event.key === "Enter") chooseRange(plot, zoom);
  if (event.key === "Escape") plot.setSelect(NOTHING, false);
  const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const last = plot.data[0].length - 1;
  const before = plot.cursor.idx ?? last;
  const at = Math.min(last, Math.max(0, before + by));
  const left = xOf(plot, at);
  if (event.shiftKey) extend(plot, xOf(plot, before), left);
  else plot.setSelect(NOTHING, false);
  plot.setCursor({ left, top: plot.bbox.height / 4 });
}

const NOTHING = { left: 0, width: 0, top: 0, height: 0 };
const xOf = (plot, at) => plot.valToPos(plot.data[0][at], "x");

// The selection's end that the cursor is on follows it; the other one stays.
function extend(plot, from, to) {
  const { left, width } = plot.select;
  const fixed = width === 0 ? from : Math.abs(from - left) < Math.abs(from - left - width) ? left + width : left;
  const height = plot.bbox.height / devicePixelRatio;
  plot.setSelect({ left: Math.min(fixed, to), width: Math.abs(to - fixed), top: 0, height }, false);
}

function buildLegend(list, found, hidden, plot) {
  const named = new Map(found.map((l) => [l.name, l]));
  const items = [...named].map(([name, line]) => {
    const toggle = el("button", {
      type: "button", class: "key", "aria-pressed": String(!hidden.has(name)), "data-name": name,
      "data-color": line.color, "data-slot": line.slot,
    }, name);
    tint(toggle, line);
    toggle.addEventListener("click", () => {
      if (!hidden.delete(name)) hidden.add(name);
      toggle.setAttribute("aria-pressed", String(!hidden.has(name)));
      hideChosen(plot(), found, hidden);
    });
    for (const event of ["pointerenter", "focus"]) toggle.addEventListener(event, () => stress(plot(), found, name));
    for (const event of ["pointerleave", "blur"]) toggle.addEventListener(event, () => stress(plot(), found, null));
    return el("li", {}, toggle);
  });
  list.replaceChildren(...items);
}

// The line whose name the pointer or the focus is on stands out from the others.
function stress(plot, found, name) {
  found.forEach((line, i) => { plot.series[i + 1].alpha = name === null || line.name === name ? 1 : 0.18; });
  plot.redraw(false);
}

// Said once beside the title: the axis' unit, and that a part of the lines is provisional.
function annotate(extra, unit, found) {
  const dashed = found.some((l) => PROVISIONAL.test(l.field) && l.ys.some((y) => y !== null));
  const said = `${unit}/${dashed}`;
  if (extra.dataset.said === said) return;
  extra.dataset.said = said;
  extra.replaceChildren(...(unit ? [el("span", {}, unit)] : []), ...(dashed ? [el("span", { class: "dashed" }, t("provisional"))] : []));
}

function tint(node, { color, slot }) {
  node.style.setProperty("--tone", color || slotColor(slot));
}

function hideChosen(plot, found, hidden) {
  found.forEach((line, i) => {
    const show = !hidden.has(line.name);
    if (plot.series[i + 1].show !== show) plot.setSeries(i + 1, { show });
  });
}

// What the chart says, for those who hear the page.
function describe(holder, panel, config, found) {
  const last = found
    .filter((l) => !PROVISIONAL.test(l.field))
    .map((l) => `${l.name} ${figure(l.ys.findLast((y) => y !== null) ?? null, config.unit, config.decimals)}`);
  const stop = language() === "zh" ? "，" : ", ";
  const words = `${panel.title}: ${last.join(stop)}. ${t("chart")}`;
  if (holder.getAttribute("aria-label") !== words) holder.setAttribute("aria-label", words);
}
