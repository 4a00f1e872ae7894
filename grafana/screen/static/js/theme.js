// Before the first paint, so that a dark room never flashes white. Not a module: those run late.
(function () {
  let theme = null;
  try { theme = localStorage.getItem("livewatch.theme"); } catch { /* storage may be refused */ }
  const light = window.matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = theme || (light ? "light" : "dark");
})();
