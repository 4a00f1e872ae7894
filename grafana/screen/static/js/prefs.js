// What the reader chose: the view in the address (to share), language and theme in the browser.
const RANGES = ["15m", "60m", "6h", "24h", "7d"];
const KEPT = { lang: ["zh", "en"], theme: ["dark", "light"] };

function stored(name) {
  try {
    const value = localStorage.getItem(`livewatch.${name}`);
    return KEPT[name].includes(value) ? value : null;
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try { localStorage.setItem(`livewatch.${name}`, value); } catch { /* private window: not kept */ }
}

const asked = new URLSearchParams(location.search);
const oneOf = (value, allowed, otherwise) => (allowed.includes(value) ? value : otherwise);

export const view = {
  dashboard: asked.get("dashboard") || null,
  lang: oneOf(asked.get("lang"), KEPT.lang, stored("lang") || "zh"),
  range: oneOf(asked.get("range"), RANGES, "60m"),
  anchor: oneOf(asked.get("until"), ["latest", "now"], "latest"),
  zoom: zoomAsked(),
  vars: Object.fromEntries([...asked].filter(([k]) => k.startsWith("var-"))),
};

export const ranges = () => RANGES;

function zoomAsked() {
  const [from, to] = [Number(asked.get("from")), Number(asked.get("to"))];
  return from > 0 && to > from ? { from, to } : null;
}

// The query's time range, and the address that shows the same.
export function timeParams() {
  if (view.zoom) return { from: String(view.zoom.from), to: String(view.zoom.to) };
  return { from: `${view.anchor}-${view.range}`, to: view.anchor };
}

export function remember() {
  const query = new URLSearchParams({ dashboard: view.dashboard, lang: view.lang });
  if (view.zoom) {
    query.set("from", view.zoom.from);
    query.set("to", view.zoom.to);
  }
  query.set("range", view.range);
  query.set("until", view.anchor);
  for (const [name, value] of Object.entries(view.vars)) query.set(name, value);
  history.replaceState(null, "", `?${query}`);
}
