// Requests to the screen's own server; there is no other host.
const TIMEOUT_MS = 20000;

export class ApiError extends Error {
  constructor(error) {
    super(error.en);
    this.error = error;
  }
}

const LOST = {
  code: "screen_away",
  zh: "连不上本页的服务（livewatch screen）：各项数值未知（不是零）。恢复后本页会自动继续。",
  en: "The screen's own server (livewatch screen) does not answer: figures are unknown (not zero). This page carries on by itself once it is back.",
};

async function get(path, params = {}) {
  const query = new URLSearchParams(params);
  let response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(`${path}?${query}`, { signal, headers: { Accept: "application/json" } });
  } catch {
    throw new ApiError(LOST);
  }
  const body = await response.json().catch(() => ({ error: LOST }));
  // The session has ended: there is nothing to show before the next login.
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new ApiError(body.error || LOST);
  return body;
}

export const dashboards = () => get("/api/dashboards");
export const dashboard = (uid, lang) => get(`/api/dashboards/${encodeURIComponent(uid)}`, { lang });

export const choices = (uid, lang, params) =>
  get(`/api/dashboards/${encodeURIComponent(uid)}/variables`, { lang, ...params });

export function figures(uid, lang, panels, params) {
  const pairs = [["dashboard", uid], ["lang", lang], ...Object.entries(params)];
  return get("/api/query", [...pairs, ...panels.map((id) => ["panel", id])]);
}
