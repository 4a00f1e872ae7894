// Grafana's bar chart with one bar a row: names and figures are text, so everybody can read them.
import { el } from "./dom.js";
import { fieldConfig } from "./fields.js";
import { figure } from "./format.js";
import { t } from "./text.js";

export function bars(panel, frame) {
  const list = el("ol", { class: "bars", tabindex: 0, "aria-label": panel.title });
  frame.body.append(list);
  return {
    update(result) {
      const names = result.columns.find((c) => c.name === panel.options.xField)?.values || [];
      const field = result.columns.find((c) => c.type === "number");
      if (!field || names.length === 0) {
        frame.covered("empty", t("noRows"));
        return;
      }
      const config = fieldConfig(panel, field.name);
      const most = Math.max(...field.values.filter((v) => v !== null), 0) || 1;
      list.replaceChildren(...names.map((name, i) => bar(name, field.values[i], most, config)));
      frame.drawn();
    },
    restyle() {},
    destroy() {},
  };
}

function bar(name, value, most, config) {
  const fill = el("span", { class: "bar-fill" });
  fill.style.inlineSize = `${(100 * Math.max(value ?? 0, 0)) / most}%`;
  return el("li", { class: "bar" },
    el("span", { class: "bar-name", title: name }, name),
    el("span", { class: "bar-track" }, fill),
    el("b", { class: "bar-value" }, figure(value, config.unit, config.decimals)));
}
