"use strict";
// Charts: plain SVG, drawn at the width there is. A kind takes (spec, width, view) and gives back its drawing and what a
// cursor on it means; tones come from the style sheet, so that a theme needs no drawing.
const DAY = 864e5, HOUR = 36e5, MINUTE = 6e4;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const LEFT = 58, RIGHT = 10, FOOT = 22;

function element(name, attributes = {}, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

// How numbers and instants are written. ----------------------------------------------------------------------------
const two = (n) => String(n).padStart(2, "0");
const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const minute = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
const grouped = (value, digits) => value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(2)
  : value.toLocaleString("en-US", { maximumSignificantDigits: digits });

// What is not all must not read as all.
function share(value) {
  let digits = 4;
  while (value < 1 && digits < 17 && grouped(100 * value, digits) === "100") digits++;
  return grouped(100 * value, digits);
}

function written(value, form) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (form === "count") return Math.round(value).toLocaleString("en-US");
  if (form === "ratio") return share(value) + " %";
  if (form === "rate") return grouped(1e4 * value, 4) + " bp";
  if (form === "short") return short(value);
  return grouped(value, form === "price" ? 8 : 4);
}

function short(value) {
  const size = Math.abs(value);
  for (const [unit, name] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= unit) return grouped(value / (name === "k" ? 1e3 : unit), 4) + " " + name;
  }
  return grouped(value, 4);
}

function onAxis(exact, form) {
  const value = Number(exact.toPrecision(12)) + 0; // no -0, no 0.30000000000000004
  if (form === "ratio") return grouped(100 * value, 3) + " %";
  if (form === "rate") return grouped(1e4 * value, 3) + " bp";
  return short(value);
}

// Ticks. -------------------------------------------------------------------------------------------------------------
function ticks(low, high, most) {
  const rough = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

const STEPS = [5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY];

function timeTicks(from, to, most) {
  const step = STEPS.find((each) => (to - from) / each <= most);
  if (step && step < 5 * DAY) {
    const found = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push([at, stamp(at, step)]);
    return found;
  }
  return calendarTicks(from, to, most, step);
}

function stamp(at, step) {
  const when = new Date(at);
  const date = `${when.getUTCDate()} ${MONTHS[when.getUTCMonth()]}`;
  return step >= DAY || at % DAY === 0 ? date : `${two(when.getUTCHours())}:${two(when.getUTCMinutes())}`;
}

function calendarTicks(from, to, most, step) {
  const found = [];
  const months = (to - from) / (30.4 * DAY);
  const every = step ? 1 : [1, 2, 3, 6, 12, 24].find((each) => months / each <= most) || 60;
  const first = new Date(from);
  for (let month = 0; ; month++) {
    const at = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + month, 1);
    if (at > to) return found;
    const when = new Date(at);
    if (when.getUTCMonth() % Math.min(every, 12)) continue;
    const name = when.getUTCMonth() ? MONTHS[when.getUTCMonth()] : String(when.getUTCFullYear());
    if (at >= from) found.push([at, name]);
    const inner = step === 5 * DAY ? [6, 11, 16, 21, 26] : step ? [11, 21] : [];
    for (const date of inner) {
      const within = at + (date - 1) * DAY;
      if (within >= from && within <= to) found.push([within, `${date} ${MONTHS[when.getUTCMonth()]}`]);
    }
  }
}

// Pieces of a drawing. -------------------------------------------------------------------------------------------------
function canvas(width, height) {
  return element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" });
}

function label(svg, x, y, text, anchor = "middle", kind = "") {
  svg.append(element("text", { x, y, "text-anchor": anchor, class: kind }, text));
}

function verticals(svg, marks, x, top, bottom, width) {
  let free = -Infinity;
  for (const [at, text] of marks) {
    const px = x(at), half = text.length * 3.4;
    svg.append(element("line", { x1: px, x2: px, y1: top, y2: bottom, class: "grid-line" }));
    if (px - half < free || px + half > width + 4) continue;
    label(svg, px, bottom + 15, text);
    free = px + half + 8;
  }
}

function levels(svg, low, high, y, form, height, width) {
  for (const at of ticks(low, high, Math.max(2, height / 26))) {
    svg.append(element("line", { x1: LEFT, x2: width - RIGHT, y1: y(at), y2: y(at), class: at === 0 ? "zero" : "grid-line" }));
    label(svg, LEFT - 7, y(at) + 4, onAxis(at, form), "end");
  }
}

function runs(n, holds) {
  const found = [];
  for (let i = 0; i < n; i++) {
    if (!holds(i)) continue;
    const start = i;
    while (i + 1 < n && holds(i + 1)) i++;
    found.push([start, i]);
  }
  return found;
}

const known = (value) => value !== null && value !== undefined;
const cell = (x, y, width, height) => `M${x.toFixed(2)} ${y.toFixed(2)}h${width.toFixed(2)}v${height.toFixed(2)}h${(-width).toFixed(2)}z`;
