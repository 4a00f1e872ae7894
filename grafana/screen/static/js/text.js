// The page's own words. Everything about figures comes from the dashboard definition.
const WORDS = {
  product: ["直播电商运行监测", "Live-commerce monitor"],
  skip: ["跳到图表", "Skip to the panels"],
  range: ["时段", "Range"],
  anchor: ["截至", "Until"],
  latest: ["跟随数据", "Follow the data"],
  now: ["当前时钟", "Clock now"],
  "15m": ["15 分钟", "15 min"],
  "60m": ["1 小时", "1 h"],
  "6h": ["6 小时", "6 h"],
  "24h": ["24 小时", "24 h"],
  zoomed: ["自选", "Zoomed"],
  back: ["返回", "Back"],
  pause: ["暂停刷新", "Pause refresh"],
  resume: ["继续刷新", "Resume refresh"],
  live: ["每 2 秒刷新", "Refreshes every 2 s"],
  paused: ["已暂停", "Paused"],
  toLight: ["浅色", "Light"],
  toDark: ["深色", "Dark"],
  other: ["English", "中文"],
  otherLabel: ["Switch to English", "切换到中文"],
  unknown: ["未知", "unknown"],
  nothing: ["此时段没有数据", "No data in this range"],
  noRows: ["没有符合条件的记录", "Nothing matches"],
  rows: ["共 {n} 条", "{n} rows"],
  allRows: ["显示全部 {n} 条", "Show all {n} rows"],
  filters: ["时段与筛选", "Range and filters"],
  print: ["打印", "Print"],
  leave: ["退出", "Log out"],
  waiting: ["读取中…", "Loading…"],
  provisional: ["暂定", "provisional"],
  prov: ["暂定", "prov."],
  lastKnown: ["最后已知", "last known"],
  asOf: ["数据截至", "Figures as of"],
  zone: ["北京时间", "Asia/Shanghai"],
  behind: ["比时钟晚", "behind the clock by"],
  replayed: ["与当前时钟不同步（历史、回放或模拟）", "not the present clock (history, replay or simulation)"],
  noData: ["尚无数据", "no data yet"],
  about: ["说明：", "About: "],
  minutes: ["分钟", "min"],
  hours: ["小时", "h"],
  hourMark: ["小时", " h"],
  foot: [
    "只读 · 时间均为北京时间 · 虚线为暂定值 · 未知不等于零 · 预警标记只作提示，不是违法认定",
    "Read-only · times are Asia/Shanghai · dashed lines are provisional · unknown is not zero · a flag is a hint, never a finding of wrongdoing",
  ],
  boards: ["仪表盘", "Dashboards"],
  cells: ["时间格，方向键移动", "Cells over time; arrow keys move"],
  marks: ["标注", "Marks"],
  "7d": ["7 天", "7 d"],
  chart: [
    "折线图，左右方向键移动游标，按住 Shift 选取一段，回车放大",
    "Line chart; arrow keys move the cursor, with Shift they select, Enter zooms in",
  ],
};

let lang = "zh";

export const language = () => lang;

export function setLanguage(next) {
  lang = next;
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
}

export function t(key) {
  return WORDS[key][lang === "zh" ? 0 : 1];
}

// An error comes from the server in both languages.
export const said = (error) => (lang === "zh" ? error.zh : error.en);
