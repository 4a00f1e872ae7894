// A panel's frame: title, explanation, body, and the words that stand in for missing figures.
import { el, setText } from "./dom.js";
import { t } from "./text.js";

// One explanation is open at a time; Escape or a click elsewhere closes it.
let closeOpen = null;
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeOpen?.();
});
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".info, .about")) closeOpen?.();
});

export function shell(panel) {
  const id = `panel-${panel.id}`;
  const note = el("p", { id: `${id}-about`, class: "about", hidden: true }, panel.description);
  const button = el("button", {
    type: "button", class: "info", "aria-label": t("about") + panel.title,
    "aria-expanded": "false", "aria-controls": note.id, title: panel.description,
  }, "i");
  const show = (open) => {
    note.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    closeOpen = open ? () => show(false) : null;
  };
  button.addEventListener("click", () => {
    const open = note.hidden;
    closeOpen?.();
    show(open);
  });
  const heading = el("h2", { id: `${id}-title` }, panel.title);
  const extra = el("div", { class: "extra" });
  // A stat across the whole page is a sentence, and no tile: who hears the page hears it change.
  const headline = panel.type === "stat" && panel.gridPos.w === 24;
  const body = el("div", { class: "body", "aria-live": headline ? "polite" : null });
  const cover = el("p", { class: "cover" }, t("waiting"));
  const root = el("section", {
    id, class: `panel ${panel.type}${headline ? " headline" : ""}`, "aria-labelledby": heading.id,
    "data-panel": panel.id, "data-state": "waiting",
  }, el("div", { class: "head" }, heading, extra, button), note, body, cover);
  const { x, y, w, h } = panel.gridPos;
  root.style.gridColumn = `${x + 1} / span ${w}`;
  root.style.gridRow = `${y + 1} / span ${h}`;
  return { root, body, extra, ...states(root, cover) };
}

function states(root, cover) {
  return {
    // The body shows.
    drawn() {
      root.dataset.state = "drawn";
    },
    // A sentence shows instead: no figure of an earlier moment is left standing as if it held.
    covered(state, words) {
      root.dataset.state = state;
      setText(cover, words);
    },
  };
}
