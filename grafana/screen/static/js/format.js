// Figures and times as people read them. Times are always Asia/Shanghai, which has no summer time.
import { language, t } from "./text.js";

const SHANGHAI_MS = 8 * 3600 * 1000;
const pad = (n) => String(n).padStart(2, "0");

function parts(ms) {
  const d = new Date(ms + SHANGHAI_MS);
  return {
    y: d.getUTCFullYear(), mo: pad(d.getUTCMonth() + 1), d: pad(d.getUTCDate()),
    h: pad(d.getUTCHours()), mi: pad(d.getUTCMinutes()),
  };
}

export const clock = (ms) => { const p = parts(ms); return `${p.h}:${p.mi}`; };
export const monthDay = (ms) => { const p = parts(ms); return `${p.mo}-${p.d}`; };
export const dayClock = (ms) => { const p = parts(ms); return `${p.mo}-${p.d} ${p.h}:${p.mi}`; };

const plain = new Map();
function digits(value, decimals) {
  if (!plain.has(decimals)) {
    const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    plain.set(decimals, new Intl.NumberFormat("en-US", options));
  }
  return plain.get(decimals).format(value);
}

// Chinese counts in ten thousands (万) and hundred millions (亿).
const SCALES = {
  zh: [[1e8, "亿"], [1e4, "万"]],
  en: [[1e9, "B"], [1e6, "M"], [1e3, "k"]],
};

function compact(value, from) {
  if (Math.abs(value) < from) return null;
  for (const [size, mark] of SCALES[language()]) {
    if (Math.abs(value) >= size) {
      const scaled = value / size;
      return digits(scaled, Math.abs(scaled) >= 1000 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2) + mark;
    }
  }
  return null;
}

function places(value, decimals) {
  if (decimals !== undefined) return decimals;
  if (Number.isInteger(value)) return 0;
  return Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
}

// null is unknown, and never a zero.
export function figure(value, unit, decimals, style = "full") {
  if (value === null || value === undefined) return t("unknown");
  if (unit in MEASURED) return measured(value, unit, decimals, style);
  if (unit === "dateTimeAsIso") return dayClock(value);
  if (unit === "percentunit") return `${digits(value * 100, decimals ?? 1)}%`;
  const sign = unit === "currencyCNY" ? "¥" : "";
  let short = compact(value, style === "axis" ? 1e4 : unit === "currencyCNY" ? 1e5 : 1e7);
  if (short && style === "axis") short = short.replace(/\.?0+(?=\D*$)/, "");
  return sign + (short ?? digits(value, places(value, decimals)));
}

// Units of time, size and speed: a figure and its mark.
const MEASURED = {
  s: ["秒", " s"], m: ["分钟", " min"], h: ["小时", " h"], rps: ["行/秒", " rows/s"], cps: ["次/秒", "/s"], bytes: ["", ""],
};

function measured(value, unit, decimals, style) {
  if (unit === "bytes") return bytes(value, style);
  if (unit === "s" && Math.abs(value) >= 7200) return `${digits(value / 3600, 1)}${t("hourMark")}`;
  if (unit === "s" && Math.abs(value) >= 300) return `${digits(value / 60, 1)}${MEASURED.m[language() === "zh" ? 0 : 1]}`;
  const number = compact(value, 1e4) ?? digits(value, style === "axis" ? axisPlaces(value) : places(value, decimals));
  return number + (style === "axis" && unit !== "s" ? "" : MEASURED[unit][language() === "zh" ? 0 : 1]);
}

const axisPlaces = (value) => (Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : 2);

function bytes(value, style) {
  const [size, mark] = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]].find(([s]) => Math.abs(value) >= s) || [1, "B"];
  return `${digits(value / size, size === 1 || style === "axis" ? 0 : 1)} ${mark}`;
}

export function axis(values, unit) {
  const step = values.length > 1 ? Math.abs(values[1] - values[0]) : 1;
  const decimals = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
  return values.map((v) => {
    if (v === null) return "";
    if (unit === "percentunit") return `${digits(v * 100, step >= 0.01 ? 0 : step >= 0.001 ? 1 : 2)}%`;
    return figure(v, unit, v === 0 ? 0 : decimals, "axis");
  });
}

// A pseudonym has 32 hexadecimal digits; its first eight are enough to tell rows apart.
export const isPseudonym = (text) => /^[0-9a-f]{32}$/.test(text);
export const shortened = (text) => (isPseudonym(text) ? `${text.slice(0, 8)}…` : text);
