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
export const day = (ms) => { const p = parts(ms); return `${p.y}-${p.mo}-${p.d}`; };
export const monthDay = (ms) => { const p = parts(ms); return `${p.mo}-${p.d}`; };
export const dayClock = (ms) => { const p = parts(ms); return `${p.mo}-${p.d} ${p.h}:${p.mi}`; };

const plain = new Map();
function digits(value, decimals) {
  if (!plain.has(decimals)) {
    // "negative": what rounds to nothing has no sign, so that there is never a -0.00.
    const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative" };
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

// Three digits that say something, and never a 0.00 for what is not zero.
function places(value, decimals) {
  if (decimals !== undefined) return decimals;
  if (Number.isInteger(value)) return 0;
  const size = Math.abs(value);
  return size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : Math.min(6, 2 - Math.ceil(Math.log10(size)));
}

// null is unknown, and never a zero.
export function figure(value, unit, decimals, style = "full") {
  if (value === null || value === undefined) return t("unknown");
  // A number that is a name (an epoch, an offset) is shown digit by digit.
  if (unit === "string") return String(value);
  if (unit in MEASURED) return measured(value, unit, decimals, style);
  if (unit === "dateTimeAsIso") return dayClock(value);
  if (unit === "time:YYYY-MM-DD") return day(value);
  if (unit === "percentunit") return `${digits(value * 100, decimals ?? 1)}%`;
  const sign = unit === "currencyCNY" ? "¥" : "";
  const short = compact(value, unit === "currencyCNY" ? 1e5 : 1e7);
  return sign + (short ?? digits(value, places(value, decimals)));
}

// Units of time, size and speed: a figure and its mark.
const MEASURED = {
  s: ["秒", " s"], m: ["分钟", " min"], h: ["小时", " h"], rps: ["行/秒", " rows/s"], cps: ["次/秒", "/s"], bytes: ["", ""],
};
const markOf = (unit) => MEASURED[unit][language() === "zh" ? 0 : 1];

// Said once beside a chart's title, where its axis has no room for it.
export const unitWord = (unit) => (["m", "h", "rps", "cps"].includes(unit) ? markOf(unit).trim() : "");

function measured(value, unit, decimals, style) {
  if (unit === "bytes") return bytes(value, style);
  const size = Math.abs(value);
  if (unit === "s" && size >= 7200) return scaled(value / 3600, "h", style);
  if (unit === "s" && size >= 120) return scaled(value / 60, "m", style);
  if (style === "axis") return (compact(value, 1e4) ?? plainest(value)) + (unit === "s" ? markOf(unit) : "");
  return (compact(value, 1e4) ?? digits(value, places(value, decimals ?? (size >= 1 ? 1 : undefined)))) + markOf(unit);
}

const scaled = (value, unit, style) => (style === "axis" ? plainest(value) : digits(value, 1)) + markOf(unit);

function bytes(value, style) {
  const [size, mark] = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]].find(([s]) => Math.abs(value) >= s) || [1, "B"];
  return `${style === "axis" ? plainest(value / size) : digits(value / size, size === 1 ? 0 : 1)} ${mark}`;
}

// As many places as the number has, of those that an axis may need.
function plainest(value) {
  const short = [0, 1, 2, 3, 4].find((n) => Math.abs(value - Number(value.toFixed(n))) < 1e-9);
  return digits(value, short ?? 4);
}

export function axis(values, unit) {
  return values.map((v) => {
    if (v === null) return "";
    if (unit === "percentunit") return `${plainest(v * 100)}%`;
    if (unit in MEASURED) return v === 0 ? "0" : measured(v, unit, undefined, "axis");
    const sign = unit === "currencyCNY" ? "¥" : "";
    const short = compact(v, 1e4)?.replace(/(\.\d*?)0+(?=\D*$)/, "$1").replace(/\.(?=\D*$)/, "");
    return sign + (short ?? plainest(v));
  });
}

// Steps that people count in: 1, 2 and 5; minutes and hours in sixties, bytes in powers of two.
const TENS = Array.from({ length: 20 }, (_, i) => i - 6).flatMap((p) => [1, 2, 5].map((n) => Number(`${n}e${p}`)));
const STEPS = {
  s: [...TENS.filter((n) => n < 20), 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000],
  bytes: Array.from({ length: 50 }, (_, i) => 2 ** i),
};
// Where figures are counts an axis has no halves.
const WHOLE = TENS.filter((n) => n >= 1);

export const axisSteps = (unit, whole) => STEPS[unit] || (whole && unit !== "percentunit" ? WHOLE : TENS);

// A pseudonym has 32 hexadecimal digits; its first eight are enough to tell rows apart.
export const isPseudonym = (text) => /^[0-9a-f]{32}$/.test(text);
export const shortened = (text) => (isPseudonym(text) ? `${text.slice(0, 8)}…` : text);
