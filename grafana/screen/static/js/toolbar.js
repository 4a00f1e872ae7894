// Range, anchor and filters, as native controls: they work by keyboard and on a phone.
import { el } from "./dom.js";
import { clock, shortened } from "./format.js";
import { ranges, view } from "./prefs.js";
import { t } from "./text.js";

export function toolbar(form, variables, changed) {
  form.onsubmit = (event) => event.preventDefault();
  form.setAttribute("aria-label", t("filters"));
  const chip = zoomChip(changed);
  const filters = variables.map((v) => filter(v, changed));
  form.replaceChildren(rangeChoice(changed), anchorChoice(changed), ...filters, ...(chip ? [chip] : []));
}

function rangeChoice(changed) {
  const buttons = ranges().map((range) => {
    const input = el("input", { type: "radio", name: "range", value: range, id: `range-${range}`, checked: !view.zoom && view.range === range });
    input.addEventListener("change", () => {
      view.range = range;
      view.zoom = null;
      changed();
    });
    return el("span", { class: "segment" }, input, el("label", { for: input.id }, t(range)));
  });
  return el("fieldset", { class: "segments" }, el("legend", {}, t("range")), ...buttons);
}

function anchorChoice(changed) {
  const options = ["latest", "now"].map((value) => el("option", { value, selected: view.anchor === value }, t(value)));
  const select = el("select", { id: "anchor" }, ...options);
  select.addEventListener("change", () => {
    view.anchor = select.value;
    view.zoom = null;
    changed();
  });
  return el("label", { class: "choice" }, el("span", {}, t("anchor")), select);
}

function filter({ name, label, options }, changed) {
  const key = `var-${name}`;
  const current = view.vars[key] || options[0]?.value || "$__all";
  const listed = options.some((o) => o.value === current) ? options : [...options, { value: current, text: current }];
  const select = el("select", { id: key }, ...listed.map((o) => el("option", { value: o.value, selected: o.value === current }, shortened(o.text))));
  select.addEventListener("change", () => {
    if (select.value === "$__all") delete view.vars[key];
    else view.vars[key] = select.value;
    changed();
  });
  return el("label", { class: "choice" }, el("span", {}, label), select);
}

function zoomChip(changed) {
  if (!view.zoom) return null;
  const words = `${t("zoomed")} ${clock(view.zoom.from)}–${clock(view.zoom.to)} · ${t("back")}`;
  return el("button", {
    type: "button", class: "zoom",
    onclick: () => {
      view.zoom = null;
      changed();
    },
  }, words);
}
