// Rows of cells over time: the ground of Grafana's heatmap and its state timeline.
import { el } from "./dom.js";
import { clock, dayClock, monthDay } from "./format.js";
import { css } from "./palette.js";
import { t } from "./text.js";

const AXIS = 20;
const LEGEND_GAP = 2;

// `look(value, all)` gives a colour, `words(value)` what it says; `merge`: equal neighbours are one.
export function lanes(panel, frame, { look, words, legend, gap, rowMax = 60 }) {
  const canvas = el("canvas", { class: "cells" });
  const tip = el("div", { class: "tip", hidden: true });
  const holder = el("div", { class: "plot lanes", tabindex: 0, role: "img", "aria-label": panel.title }, canvas, tip);
  const key = el("div", { class: "legend" });
  frame.body.append(holder, key);
  let shown = null;
  const paint = () => shown && draw(canvas, holder, shown, { look, gap, rowMax });
  const observer = new ResizeObserver(paint);
  observer.observe(holder);
  const cursor = { lane: 0, at: -1 };

  const tell = (lane, index) => {
    const { names, times, step, values } = shown;
    if (!names[lane] || !(index in times)) {
      tip.hidden = true;
      return;
    }
    Object.assign(cursor, { lane, at: index });
    const when = shown.span.to - shown.span.from > 86400000 ? dayClock : clock;
    tip.replaceChildren(
      el("p", { class: "tip-time" }, `${when(times[index])}–${when(times[index] + step)}`),
      el("p", {}, `${names[lane]} `, el("b", {}, words(values[lane][index]))));
    tip.hidden = false;
    place(tip, holder, shown, lane, times[index]);
  };
  holder.addEventListener("pointermove", (event) => {
    if (!shown) return;
    const box = canvas.getBoundingClientRect();
    const time = timeAt(shown, event.clientX - box.left);
    const lane = Math.floor((event.clientY - box.top) / shown.row);
    tell(lane, shown.times.findLastIndex((at) => at <= time && time < at + shown.step));
  });
  holder.addEventListener("pointerleave", () => { tip.hidden = true; });
  holder.addEventListener("blur", () => { tip.hidden = true; });
  holder.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!by || !shown) return;
    event.preventDefault();
    const most = shown.times.length - 1;
    const at = cursor.at < 0 ? most : Math.min(most, Math.max(0, cursor.at + by[1]));
    tell(Math.min(shown.names.length - 1, Math.max(0, cursor.lane + by[0])), at);
  });

  return {
    update(result, span) {
      const found = grid(result);
      if (found.names.length === 0) {
        frame.covered("empty", `${t("unknown")} · ${t("nothing")}`);
        return;
      }
      shown = { ...found, span };
      frame.drawn();
      paint();
      key.replaceChildren(...legend(shown));
      const last = found.names.map((name, i) => `${name} ${words(found.values[i].findLast((v) => v !== null) ?? null)}`);
      holder.setAttribute("aria-label", `${panel.title}: ${last.join("; ")}. ${t("cells")}`);
    },
    restyle() {
      if (!shown) return;
      paint();
      key.replaceChildren(...legend(shown));
    },
    destroy() { observer.disconnect(); },
  };
}

// Long rows (time, name, value) as [lane][step]; a step without a row is null.
function grid(result) {
  const time = result.columns.find((c) => c.type === "time");
  const name = result.columns.find((c) => c.type === "string");
  const value = result.columns.find((c) => c.type === "number");
  if (!time || !name || !value || time.values.length === 0) return { names: [], times: [] };
  const times = [...new Set(time.values)].sort((a, b) => a - b);
  const names = [...new Set(name.values)].sort((a, b) => (a < b ? -1 : 1));
  const column = new Map(times.map((at, i) => [at, i]));
  const lane = new Map(names.map((n, i) => [n, i]));
  const values = names.map(() => new Array(times.length).fill(null));
  time.values.forEach((at, i) => { values[lane.get(name.values[i])][column.get(at)] = value.values[i]; });
  const apart = times.slice(1).map((at, i) => at - times[i]);
  return { names, times, values, step: Math.max((result.step_s || 60) * 1000, apart.length ? Math.min(...apart) : 0) };
}

function draw(canvas, holder, shown, { look, gap, rowMax }) {
  const scale = devicePixelRatio || 1;
  const width = holder.clientWidth;
  const height = Math.max(holder.clientHeight, 80);
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = `11.5px ${css("--font")}`;
  shown.row = Math.min((height - AXIS) / shown.names.length, rowMax);
  const labels = shown.names.map((name) => fitted(pen, name, width * 0.3));
  shown.left = 8 + Math.max(...labels.map((label) => pen.measureText(label).width)) + 8;
  shown.right = width - 6;
  pen.textBaseline = "middle";
  const all = shown.values.flat().filter((v) => v !== null);
  labels.forEach((label, lane) => {
    const top = lane * shown.row;
    pen.fillStyle = css("--soft");
    if (shown.row >= 11) pen.fillText(label, 8, top + shown.row / 2);
    cells(pen, shown, lane, top, { look: (value) => look(value, all), gap });
  });
  ticks(pen, shown, shown.names.length * shown.row);
}

function cells(pen, shown, lane, top, { look, gap }) {
  const { times, step, values, row } = shown;
  const space = row > 8 ? gap : 0;
  for (let i = 0; i < times.length; i++) {
    const value = values[lane][i];
    if (value === null) continue;
    let end = i;
    // Equal neighbours are one cell where cells stand for a state.
    while (gap > 1 && values[lane][end + 1] === value && times[end + 1] - times[end] <= step) end++;
    // Whole pixels: half a pixel at each edge would look like stripes.
    const x1 = Math.round(Math.max(xOf(shown, times[i]), shown.left));
    const x2 = Math.round(Math.min(xOf(shown, times[end] + step), shown.right));
    pen.fillStyle = look(value);
    if (x2 > x1) pen.fillRect(x1, top + space, Math.max(x2 - x1 - (gap < 1 && x2 - x1 > 5 ? 1 : 0), 0.8), row - 2 * space);
    i = end;
  }
}

const xOf = ({ left, right, span }, time) => left + ((time - span.from) / (span.to - span.from)) * (right - left);
const timeAt = ({ left, right, span }, x) => span.from + ((x - left) / (right - left)) * (span.to - span.from);

const STEPS = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map((s) => s * 1000);
const SHANGHAI_MS = 8 * 3600 * 1000;

function ticks(pen, shown, top) {
  const long = shown.span.to - shown.span.from > 86400000;
  const most = Math.max(2, Math.floor((shown.right - shown.left) / (long ? 100 : 62)));
  const step = STEPS.find((s) => (shown.span.to - shown.span.from) / s <= most) || STEPS.at(-1);
  pen.fillStyle = css("--soft");
  pen.textAlign = "center";
  const first = Math.ceil((shown.span.from + SHANGHAI_MS) / step) * step - SHANGHAI_MS;
  for (let at = first; at <= shown.span.to; at += step) {
    const x = xOf(shown, at);
    const label = step >= 86400000 ? monthDay(at) : long ? dayClock(at) : clock(at);
    const half = pen.measureText(label).width / 2;
    if (x - half < shown.left - 4 || x + half > shown.right + 6) continue;
    pen.fillText(label, x, top + AXIS / 2 + LEGEND_GAP);
  }
  pen.textAlign = "left";
}

function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 2 && pen.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

function place(tip, holder, shown, lane, time) {
  const x = Math.max(xOf(shown, time), shown.left);
  const beside = x + tip.offsetWidth + 16 < holder.clientWidth ? x + 12 : x - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(0, beside)}px`;
  tip.style.top = `${Math.max(0, Math.min(lane * shown.row, holder.clientHeight - tip.offsetHeight))}px`;
}
