// The figures under the cursor, highest first, in the panel that the pointer or focus is in.
import { el } from "./dom.js";
import { clock, dayClock, figure } from "./format.js";
import { PROVISIONAL } from "./frame.js";
import { marksAt } from "./marks.js";
import { slotColor } from "./palette.js";
import { t } from "./text.js";

export function tooltip(holder, config) {
  const box = el("div", { class: "tip", hidden: true });
  holder.append(box);
  return {
    show(u, lines) {
      const at = u.cursor.idx;
      const here = holder.matches(":hover, :focus");
      box.hidden = !here || at === null || at === undefined || u.cursor.left < 0;
      if (box.hidden) return;
      const long = u.scales.x.max - u.scales.x.min > 86400;
      const time = u.data[0][at] * 1000;
      const rows = readings(u, lines, at).map((r) => row(r, config));
      const near = (u.scales.x.max - u.scales.x.min) * 8;
      const marks = marksAt(time - near, time + near).filter((m) => m.span || Math.abs(m.from - time) <= near);
      const told = marks.slice(0, 3).map((m) => el("p", { class: "tip-mark" }, m.text));
      box.replaceChildren(el("p", { class: "tip-time" }, long ? dayClock(time) : clock(time)), ...rows, ...told);
      place(box, u);
    },
  };
}

// The closed figure where there is one, else the provisional one, else unknown.
function readings(u, lines, at) {
  const found = new Map();
  lines.forEach((line, i) => {
    if (!u.series[i + 1].show) return;
    const value = line.ys[at] ?? null;
    const before = found.get(line.name);
    if (before && (before.value !== null || value === null)) return;
    found.set(line.name, { name: line.name, color: line.color || slotColor(line.slot), value, provisional: value !== null && PROVISIONAL.test(line.field) });
  });
  return [...found.values()].sort((a, b) => (b.value ?? -1) - (a.value ?? -1));
}

function row({ name, color, value, provisional }, config) {
  const dot = el("span", { class: "dot" });
  dot.style.setProperty("--tone", color);
  const text = figure(value, config.unit, config.decimals) + (provisional ? ` ${t("prov")}` : "");
  return el("p", { class: "tip-row" }, dot, el("span", { class: "tip-name" }, name), el("b", {}, text));
}

function place(box, u) {
  const left = u.bbox.left / devicePixelRatio + u.cursor.left;
  const room = u.width - left;
  const beside = room > box.offsetWidth + 16 ? left + 12 : left - box.offsetWidth - 12;
  box.style.left = `${Math.max(0, beside)}px`;
  box.style.top = "4px";
}
