// Starts the page, asks for figures every two seconds, and redraws what has changed.
import * as api from "./api.js";
import { el, setText } from "./dom.js";
import { clock, dayClock } from "./format.js";
import { bars } from "./bars.js";
import { heat } from "./heat.js";
import { boardAddress } from "./link.js";
import { setMarks } from "./marks.js";
import { isDark, known } from "./palette.js";
import { keep, remember, timeParams, view } from "./prefs.js";
import { series } from "./series.js";
import { shell } from "./shell.js";
import { stat } from "./stat.js";
import { states } from "./states.js";
import { table } from "./table.js";
import { said, setLanguage, t } from "./text.js";
import { toolbar } from "./toolbar.js";

const REFRESH_MS = 2000;
// A long range takes the engine longer: the page then asks less often, at most a fifth of the time.
const REST = 4;
const PRINT_ROUNDS = 5;
// The newest figures are older than what anybody would call the present.
const LATE_MINUTES = 10;
const DRAW = { stat, timeseries: series, table, barchart: bars, heatmap: heat, "state-timeline": states };
const byId = (id) => document.getElementById(id);

const page = { board: null, panels: new Map(), variables: [], paused: false, timer: 0, round: 0 };

// Only what is in sight is asked for: the machine also has the pipeline to run.
const sight = new IntersectionObserver((entries) => {
  let appeared = false;
  for (const entry of entries) {
    const panel = page.panels.get(entry.target.dataset.panel);
    if (!panel) continue;
    appeared ||= entry.isIntersecting && !panel.visible;
    panel.visible = entry.isIntersecting;
  }
  if (appeared) refresh();
}, { rootMargin: "240px" });

async function build() {
  setLanguage(view.lang);
  words();
  const { dashboards, account } = await api.dashboards();
  if (!view.dashboard) view.dashboard = dashboards[0].uid;
  // Before the dashboard: from one that does not exist there is a way on.
  navigation(dashboards);
  visitor(account);
  page.board = await api.dashboard(view.dashboard, view.lang);
  for (const { part } of page.panels.values()) part.destroy();
  page.panels.clear();
  sight.disconnect();
  document.title = `${page.board.title} · livewatch`;
  setText(byId("title"), page.board.title);
  const holder = byId("panels");
  holder.replaceChildren();
  for (const panel of page.board.panels) {
    const frame = shell(panel);
    holder.append(frame.root);
    page.panels.set(String(panel.id), { frame, part: DRAW[panel.type](panel, frame, zoomTo), type: panel.type, key: "", visible: false });
  }
  await chooseVariables();
  for (const { frame } of page.panels.values()) sight.observe(frame.root);
}

function navigation(dashboards) {
  const links = dashboards.map(({ uid, title }) => el("a", {
    href: boardAddress(uid), class: "board-link", "aria-current": uid === view.dashboard ? "page" : null,
  }, title[view.lang]));
  byId("boards").replaceChildren(...links);
  byId("boards").setAttribute("aria-label", t("boards"));
  byId("boards").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

// Who looks, and the way out; nobody is named where no login is asked for.
function visitor(account) {
  byId("leave").hidden = !account;
  setText(byId("account"), account || "");
  setText(byId("leave-button"), t("leave"));
}

async function chooseVariables() {
  const defined = page.board.templating.list.filter((v) => v.type !== "datasource");
  // Without ClickHouse there is still the page; its filters come with the next change.
  const options = await api.choices(view.dashboard, view.lang, timeParams()).catch(() => ({}));
  page.variables = defined.map((v) => ({ name: v.name, label: v.label, options: options[v.name] || (v.current ? [v.current] : []) }));
  // Lines are called by a platform's id and by a code's words.
  for (const name of ["platform", "category", "scenario"]) known((options[name] || []).filter((o) => o.value !== "$__all").map((o) => o.text));
  for (const { name, options: listed } of page.variables) {
    // A variable without "all" (a session) starts with the first that there is.
    if (!view.vars[`var-${name}`] && listed[0] && listed[0].value !== "$__all") view.vars[`var-${name}`] = listed[0].value;
  }
  page.variablesKnown = Object.keys(options).length > 0;
  toolbar(byId("controls"), page.variables, changed);
}

function words() {
  for (const node of document.querySelectorAll("[data-text]")) setText(node, t(node.dataset.text));
  setText(byId("product"), t("product"));
  setText(byId("foot"), t("foot"));
  setText(byId("lang"), t("other"));
  byId("lang").setAttribute("aria-label", t("otherLabel"));
  setText(byId("theme"), isDark() ? t("toLight") : t("toDark"));
  setText(byId("print"), t("print"));
  setText(byId("pause"), page.paused ? t("resume") : t("pause"));
  byId("pause").setAttribute("aria-pressed", String(page.paused));
  byId("pause").title = page.paused ? t("paused") : t("live");
  document.documentElement.dataset.paused = String(page.paused);
}

function changed() {
  remember();
  const focused = document.activeElement?.id;
  toolbar(byId("controls"), page.variables, changed);
  if (focused) byId(focused)?.focus();
  refresh();
}

function zoomTo(from, to) {
  view.zoom = { from, to: Math.max(to, from + 60000) };
  changed();
}

async function refresh() {
  clearTimeout(page.timer);
  const round = ++page.round;
  const began = performance.now();
  const ids = [...page.panels].filter(([, p]) => p.visible).map(([id]) => id);
  if (ids.length > 0 && !document.hidden) {
    try {
      const asked = { ...timeParams(), ...view.vars };
      const answer = await api.figures(view.dashboard, view.lang, ids, asked);
      // A newer question is on its way: this answer is of a range or filter left behind.
      if (round !== page.round) return;
      draw(answer);
      if (!page.variablesKnown) await chooseVariables();
    } catch (problem) {
      if (round !== page.round) return;
      if (!(problem instanceof api.ApiError)) throw problem;
      fail(problem.error);
    }
  }
  if (!page.paused && round === page.round) page.timer = setTimeout(refresh, Math.max(REFRESH_MS, REST * (performance.now() - began)));
}

function draw(answer) {
  banner(null);
  const span = { from: Date.parse(answer.from), to: Date.parse(answer.to) };
  // Marks are drawn with the charts: where they changed, all are drawn again.
  if (setMarks(answer.marks)) for (const panel of page.panels.values()) panel.key = "";
  festivals(answer.marks);
  for (const [id, result] of Object.entries(answer.panels)) {
    const panel = page.panels.get(id);
    if (!panel) continue;
    const key = panel.type === "table" ? result.digest : `${result.digest} ${result.span?.to || answer.from} ${answer.to}`;
    if (panel.key === key) continue;
    panel.key = key;
    if (result.status === "error") panel.frame.covered("error", `${t("unknown")} · ${said(result.error)}`);
    else panel.part.update(result, own(result) || span);
  }
  const measured = Object.values(answer.panels).find((result) => result.span);
  asOf(answer, measured ? own(measured) : span, measured);
}

// Until there is an answer again every figure is unknown; nothing old is left standing.
function fail(error) {
  banner(error);
  for (const panel of page.panels.values()) {
    panel.key = "";
    panel.frame.covered("unknown", t("unknown"));
  }
  setText(byId("asof"), "");
}

function banner(error) {
  const node = byId("banner");
  node.hidden = error === null;
  document.documentElement.dataset.away = String(error !== null);
  if (error === null || node.dataset.code === error.code) return;
  node.replaceChildren(el("p", { lang: "zh-CN" }, error.zh), el("p", { lang: "en" }, error.en));
  node.dataset.code = error.code;
}

function festivals(marks) {
  const names = marks.filter((m) => m.span).map((m) => m.text);
  setText(byId("festivals"), names.join(" · "));
  byId("festivals").hidden = names.length === 0;
}

// The pipeline's own figures have the clock on the wall, whatever the data's clock says.
const own = ({ span }) => (span ? { from: Date.parse(span.from), to: Date.parse(span.to) } : null);

function asOf(answer, span, measured) {
  const long = dayClock(span.from).slice(0, 5) !== dayClock(span.to).slice(0, 5);
  const range = `${dayClock(span.from)}–${long ? dayClock(span.to) : clock(span.to)}`;
  const follows = view.anchor === "latest" && !view.zoom && !measured;
  const late = follows && minutesBehind(answer.latest) > LATE_MINUTES;
  byId("asof").classList.toggle("late", late);
  setText(byId("asof"), `${range} ${t("zone")}${follows ? ` · ${late ? "◆ " : ""}${age(answer.latest)}` : ""}`);
}

const minutesBehind = (latest) => (latest === null ? 0 : Math.round((Date.now() - Date.parse(latest)) / 60000));

// How far the newest figures are from the clock on the wall.
function age(latest) {
  if (latest === null) return t("noData");
  const behind = minutesBehind(latest);
  if (behind > 24 * 60 || behind < -5) return t("replayed");
  if (behind > 180) return `${t("behind")} ${Math.round(behind / 60)} ${t("hours")}`;
  return `${t("behind")} ${Math.max(0, behind)} ${t("minutes")}`;
}

byId("pause").addEventListener("click", () => {
  page.paused = !page.paused;
  words();
  refresh();
});
byId("lang").addEventListener("click", async () => {
  view.lang = view.lang === "zh" ? "en" : "zh";
  keep("lang", view.lang);
  remember();
  await start();
  byId("lang").focus();
});
byId("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  paintAs(theme);
  keep("theme", theme);
  words();
});
function paintAs(theme) {
  document.documentElement.dataset.theme = theme;
  for (const { part } of page.panels.values()) part.restyle();
}
// Paper is white, and shows every panel, also those not looked at yet.
byId("print").addEventListener("click", async () => {
  const waiting = () => [...page.panels.values()].some(({ frame }) => frame.root.dataset.state === "waiting");
  for (const panel of page.panels.values()) panel.visible = true;
  // Another round may overtake this one, and draw in its stead.
  for (let n = 0; n < PRINT_ROUNDS && (n === 0 || waiting()); n++) await refresh();
  window.print();
});
let screenTheme = null;
window.addEventListener("beforeprint", () => {
  screenTheme = document.documentElement.dataset.theme;
  paintAs("light");
});
window.addEventListener("afterprint", () => paintAs(screenTheme));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});

async function start() {
  try {
    await build();
    remember();
  } catch (problem) {
    if (!(problem instanceof api.ApiError)) throw problem;
    banner(problem.error);
    setTimeout(start, REFRESH_MS);
  }
}

start();
