// The server's columns, as a stat, a chart or a table needs them.
export const PROVISIONAL = /(^|_)provisional$/;

export const column = (result, name) => result.columns.find((c) => c.name === name) || null;

// The last known value of a column, and when.
export function lastKnown(result, name) {
  const values = column(result, name)?.values;
  if (!values) return null;
  const times = result.columns.find((c) => c.type === "time" && c.name === "time")?.values;
  for (let i = values.length - 1; i >= 0; i--) {
    if (values[i] !== null) return { value: values[i], time: times ? times[i] : null };
  }
  return null;
}

// Long rows (time, label, values…) as one line a label and value column, on a regular grid of
// steps: a step that nobody reported is null, and the line breaks there.
export function lines(result) {
  const time = result.columns.find((c) => c.type === "time");
  const label = result.columns.find((c) => c.type === "string");
  const fields = result.columns.filter((c) => c.type === "number");
  if (!time || time.values.length === 0) return { xs: [], lines: [] };
  const xs = steps(time.values, (result.step_s || 60) * 1000);
  const at = new Map(xs.map((x, i) => [x, i]));
  const names = label ? [...new Set(label.values)].sort() : [null];
  const made = new Map();
  for (const name of names) {
    for (const field of fields) {
      const ys = new Array(xs.length).fill(null);
      made.set(`${name}\n${field.name}`, { code: name ?? field.name, name: name ?? field.name, field: field.name, ys });
    }
  }
  for (let row = 0; row < time.values.length; row++) {
    const name = label ? label.values[row] : null;
    for (const field of fields) {
      made.get(`${name}\n${field.name}`).ys[at.get(time.values[row])] = field.values[row];
    }
  }
  return { xs: xs.map((x) => x / 1000), lines: [...made.values()] };
}

// Bars one on top of another: each line is drawn as the sum of itself and those after it.
export function stacked(found) {
  const sums = [];
  for (let i = found.length - 1; i >= 0; i--) {
    const below = sums[0];
    sums.unshift(found[i].ys.map((y, at) => (y === null && (below?.[at] ?? null) === null ? null : (y || 0) + (below?.[at] || 0))));
  }
  return sums;
}

function steps(times, step) {
  const seen = [...new Set(times)].sort((a, b) => a - b);
  const grid = new Set(seen);
  for (let i = 1; i < seen.length; i++) {
    // One null point inside a hole is enough to break the line. A metric is read a little late at
    // times; what has a grid has its holes at whole steps.
    if (seen[i] - seen[i - 1] > 1.5 * step) grid.add(seen[i - 1] + step);
  }
  return [...grid].sort((a, b) => a - b);
}
