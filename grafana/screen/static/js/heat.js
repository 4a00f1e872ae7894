// Grafana's heatmap of rows over time, in Cividis, which looks the same with colour blindness.
import { el } from "./dom.js";
import { fieldConfig } from "./fields.js";
import { figure } from "./format.js";
import { lanes } from "./lanes.js";

// Nuñez, Anderton and Renslow (2018), PLoS ONE 13(7): anchors of the map, dark to light.
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];

export function heat(panel, frame) {
  const config = fieldConfig(panel, "value");
  const words = (value) => figure(value, config.unit, config.decimals);
  const look = (value, all) => {
    const [low, high] = ends(config, all);
    return shade(high > low ? (value - low) / (high - low) : 1);
  };
  const legend = ({ values }) => {
    const [low, high] = ends(config, values.flat().filter((v) => v !== null));
    return [el("span", {}, words(low)), el("span", { class: "ramp" }), el("span", {}, words(high))];
  };
  return lanes(panel, frame, { look, words, legend, gap: 0.5 });
}

// The definition's ends of the scale, else the least and the most there is.
const ends = ({ min, max }, values) => (min === undefined || max === undefined ? bounds(values) : [min, max]);

function bounds(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function shade(share) {
  const at = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(at), CIVIDIS.length - 2);
  const mixed = CIVIDIS[low].map((c, i) => Math.round(c + (CIVIDIS[low + 1][i] - c) * (at - low)));
  return `rgb(${mixed.join(" ")})`;
}
