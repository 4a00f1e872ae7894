// A small line behind a figure: its course, without axes. Unknown stretches stay open.
const SVG = "http://www.w3.org/2000/svg";

export function spark() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("class", "spark-line");
  svg.append(line);
  return { svg, draw: (values) => line.setAttribute("d", path(values)) };
}

function path(values) {
  const known = values.filter((v) => v !== null);
  if (known.length < 2) return "";
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const dx = 100 / (values.length - 1);
  let pen = "M";
  let d = "";
  values.forEach((v, i) => {
    if (v === null) {
      pen = "M";
      return;
    }
    d += `${pen}${(i * dx).toFixed(2)} ${(28 - ((v - low) / span) * 26).toFixed(2)}`;
    pen = "L";
  });
  return d;
}
