// Where a figure leads: Grafana's data links, turned into addresses of this page.
import { view } from "./prefs.js";

const VARIABLE = /\$\{__data\.fields\.(\w+)\}|\$\{__value\.raw\}/g;

// `row(name)` is the value of another column in the same row. Null where a part is unknown.
export function address(url, value, row) {
  const [path, query] = url.split("?");
  const board = /^\/d\/([\w-]+?)(-en)?$/.exec(path);
  if (!board) return null;
  const to = new URLSearchParams(here());
  to.set("dashboard", board[1]);
  for (const pair of (query || "").split("&")) {
    if (!pair.startsWith("var-")) continue;
    const [name, template] = pair.split("=");
    let unknown = false;
    const filled = template.replace(VARIABLE, (_, field) => {
      const found = field ? row(field) : value;
      if (found === null || found === undefined || found === "") unknown = true;
      return String(found);
    });
    if (unknown) return null;
    to.set(name, filled);
  }
  return `?${to}`;
}

// Another dashboard over the same time, with the filters that every dashboard has.
export function boardAddress(uid) {
  const to = new URLSearchParams(here());
  to.set("dashboard", uid);
  for (const name of ["var-platform", "var-category", "var-district"]) {
    if (view.vars[name]) to.set(name, view.vars[name]);
  }
  return `?${to}`;
}

function here() {
  const kept = { lang: view.lang, range: view.range, until: view.anchor };
  return view.zoom ? { ...kept, from: view.zoom.from, to: view.zoom.to } : kept;
}
