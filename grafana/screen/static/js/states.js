// Grafana's state timeline: which state each row was in, by colour and by a shape in its name.
import { el } from "./dom.js";
import { fieldConfig, mapped } from "./fields.js";
import { lanes } from "./lanes.js";
import { t } from "./text.js";

export function states(panel, frame) {
  const config = fieldConfig(panel, "value");
  const named = (value) => (value === null ? null : mapped(config, value));
  const words = (value) => named(value)?.text ?? t("unknown");
  const look = (value) => named(value)?.color || "#8a94a6";
  const legend = () => Object.values(config.mappings[0]?.options || {}).map((state) => {
    const item = el("span", { class: "state-key" }, state.text);
    item.style.setProperty("--tone", state.color);
    return item;
  });
  return lanes(panel, frame, { look, words, legend, gap: 3, rowMax: 34 });
}
