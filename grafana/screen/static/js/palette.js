// Okabe and Ito's colours (2008), lifted for a dark ground and lowered for a light one, so that
// people with the common kinds of colour blindness tell the lines apart.
const DARK = ["#56b4e9", "#e69f00", "#2fbf94", "#d98cb9", "#f0e442", "#e8793a", "#8fa8ff", "#b8c0cc"];
const LIGHT = ["#0072b2", "#b87900", "#00805d", "#a8487f", "#857a00", "#c24e00", "#4458c7", "#5a6472"];

const order = [];

export const isDark = () => document.documentElement.dataset.theme !== "light";

// A name keeps its colour in every panel where it can. Known names come first, in their order.
export function known(names) {
  for (const name of names) if (!order.includes(name)) order.push(name);
}

// name -> place in the palette, for the lines of one chart: each has its own colour, also where
// two names would by themselves have the same.
export function slots(names) {
  known(names);
  const count = DARK.length;
  const taken = new Set();
  const found = new Map();
  for (const name of [...new Set(names)].sort((a, b) => order.indexOf(a) - order.indexOf(b))) {
    if (taken.size === count) taken.clear();
    let slot = order.indexOf(name) % count;
    while (taken.has(slot)) slot = (slot + 1) % count;
    taken.add(slot);
    found.set(name, slot);
  }
  return found;
}

export const slotColor = (slot) => (isDark() ? DARK : LIGHT)[slot];

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
