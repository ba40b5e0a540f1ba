// A series over time: panels that share one axis. -----------------------------------------------------------------------
const GATHER = {
  last: (values) => values.findLast(known) ?? null,
  first: (values) => values.find(known) ?? null,
  max: (values) => values.reduce((best, each) => (known(each) && (best === null || each > best) ? each : best), null),
  min: (values) => values.reduce((best, each) => (known(each) && (best === null || each < best) ? each : best), null),
  sum: (values) => values.reduce((total, each) => (known(each) ? (total ?? 0) + each : total), null),
};
const HOW = { open: "first", high: "max", low: "min", close: "last", lower: "min", upper: "max" };

function gather(values, how, every, first, count) {
  if (every === 1) return values.slice(first, first + count);
  return Array.from({ length: count }, (_, i) => GATHER[how](values.slice((first + i) * every, (first + i + 1) * every)));
}

function gathered(series, every, first, count) {
  const data = {};
  for (const key of KEYS[series.mark] ?? ["values"]) data[key] = gather(series[key], HOW[key] ?? series.how ?? "last", every, first, count);
  if (series.mirrored) data.values = data.values.map((value) => (known(value) ? -value : null));
  return data;
}

const MARKS = {
  line(svg, data, x, y, tone, kind) {
    const path = runs(data.values.length, (i) => known(data.values[i])).map(([a, b]) => {
      const points = [];
      for (let i = a; i <= b; i++) points.push(`${x(i + 0.5).toFixed(2)} ${y(data.values[i]).toFixed(2)}`);
      return "M" + (points.length > 1 ? points.join("L") : points[0] + "h1.5");
    });
    svg.append(element("path", { d: path.join(""), class: `line ${kind} ${tone}` }));
  },
  steps(svg, data, x, y, tone, kind) {
    const path = runs(data.values.length, (i) => known(data.values[i])).map(([a, b]) => {
      let d = `M${x(a).toFixed(2)} ${y(data.values[a]).toFixed(2)}`;
      for (let i = a; i <= b; i++) d += `V${y(data.values[i]).toFixed(2)}H${x(i + 1).toFixed(2)}`;
      return d;
    });
    svg.append(element("path", { d: path.join(""), class: `line ${kind} ${tone}` }));
  },
  band(svg, data, x, y, tone, kind) {
    const path = runs(data.lower.length, (i) => known(data.lower[i])).map(([a, b]) => {
      let d = `M${x(a).toFixed(2)} ${y(data.upper[a]).toFixed(2)}`;
      for (let i = a; i <= b; i++) d += `V${y(data.upper[i]).toFixed(2)}H${x(i + 1).toFixed(2)}`;
      for (let i = b; i >= a; i--) d += `V${y(data.lower[i]).toFixed(2)}H${x(i).toFixed(2)}`;
      return d + "z";
    });
    svg.append(element("path", { d: path.join(""), class: `area ${kind || "faint"} ${tone}` }));
  },
  bars(svg, data, x, y, tone) {
    const wide = Math.max(x(1) - x(0) - (x(1) - x(0) > 3 ? 1 : 0), 0.8), zero = y(0);
    const path = data.values.map((value, i) => known(value) && value !== 0
      ? cell(x(i), Math.min(y(value), zero), wide, Math.max(Math.abs(y(value) - zero), 0.6)) : "");
    svg.append(element("path", { d: path.join(""), class: `area ${tone}` }));
  },
  candles(svg, data, x, y, tone) {
    const wide = x(1) - x(0);
    if (wide < 4) {
      MARKS.band(svg, { lower: data.low, upper: data.high }, x, y, tone, "mild");
      MARKS.line(svg, { values: data.close }, x, y, tone, "thin");
      return;
    }
    const d = { "t-blue": ["", ""], "t-red": ["", ""] };
    data.open.forEach((open, i) => {
      if (!known(open)) return;
      const close = data.close[i], side = d[close >= open ? "t-blue" : "t-red"], middle = x(i + 0.5).toFixed(2);
      side[0] += `M${middle} ${y(data.high[i]).toFixed(2)}V${y(data.low[i]).toFixed(2)}`;
      side[1] += cell(x(i) + wide * 0.15, Math.min(y(open), y(close)), wide * 0.7, Math.max(Math.abs(y(open) - y(close)), 1));
    });
    for (const [side, [wicks, bodies]] of Object.entries(d)) {
      svg.append(element("path", { d: wicks, class: `line thin ${side}` }), element("path", { d: bodies, class: `area ${side}` }));
    }
  },
};
const KEYS = { band: ["lower", "upper"], candles: ["open", "high", "low", "close"] };

const GAP = 30; // above a panel, for its title

function time(spec, width, view) {
  const { start, step, n } = spec.x, [from, to] = view.range ?? [0, n], inner = width - LEFT - RIGHT;
  const every = Math.max(1, Math.ceil((to - from) / Math.max(60, inner / 2)));
  const first = Math.floor(from / every), count = Math.ceil(to / every) - first;
  const px = (index) => LEFT + ((index - from) / (to - from)) * inner;
  const x = (i) => px(Math.min(Math.max((first + i) * every, from), to));
  const total = spec.panels.reduce((sum, panel) => sum + panel.height + GAP, 0);
  const svg = canvas(width, total + FOOT), marks = timeTicks(start + from * step, start + to * step, inner / 70);
  verticals(svg, marks, (at) => px((at - start) / step), 6, total, width);
  const items = [];
  let top = 0;
  for (const panel of spec.panels) {
    const drawn = panel.series.map((series) => ({ series, data: gathered(series, every, first, count) }));
    items.push(...drawn.map((each) => ({ ...each, panel })));
    onePanel(svg, panel, drawn, x, px, top + GAP - 4, width);
    top += panel.height + GAP;
  }
  const clamp = (i) => Math.min(Math.max(i, 0), count - 1);
  return {
    svg,
    hit: (at) => clamp(Math.floor((from + ((at - LEFT) / inner) * (to - from)) / every) - first),
    move: (cursor, dx) => clamp(cursor === null ? (dx < 0 ? count - 1 : 0) : cursor + dx),
    ends: [0, count - 1],
    mark: (cursor) => element("path", { d: `M${x(cursor + 0.5)} 6V${total}`, class: "cursor" }),
    index: (at) => from + ((at - LEFT) / inner) * (to - from),
    center: (cursor) => (first + cursor + 0.5) * every,
    head: (cursor) => span(start + Math.max((first + cursor) * every, 0) * step, every * step),
    legend: (cursor) => items.map(({ series, data, panel }) => ({
      name: series.name, tone: series.tone, weight: series.mark === "band" ? series.weight || "faint" : "", line: series.mark === "line" || series.mark === "steps",
      value: cursor === null ? null : told(series, data, cursor, panel),
    })),
    note: every > 1 ? `one step is ${length(every * step)}` : `one step is ${length(step)}`,
  };
}

function told(series, data, i, panel) {
  const form = panel.form;
  if (series.mark === "candles") return ["open", "high", "low", "close"].map((key) => `${key[0].toUpperCase()} ${written(data[key][i], form)}`).join("  ");
  if (series.mark === "band") return `${written(data.lower[i], form)} … ${written(data.upper[i], form)}`;
  return written(series.mirrored && known(data.values[i]) ? -data.values[i] : data.values[i], form);
}

function span(from, long) {
  if (long < DAY) return `${minute(from)} + ${length(long)}`;
  return long === DAY ? day(from) : `${day(from)} … ${day(from + long - 1)}`;
}

function length(ms) {
  if (ms % DAY === 0) return ms === DAY ? "1 day" : `${ms / DAY} days`;
  const hours = Math.floor(ms / HOUR), minutes = (ms % HOUR) / MINUTE;
  return [hours ? `${hours} h` : "", minutes ? `${minutes} min` : ""].filter(Boolean).join(" ");
}

function onePanel(svg, panel, drawn, x, px, top, width) {
  const all = drawn.flatMap(({ data }) => Object.values(data).flat()).filter(known);
  label(svg, LEFT, top - 11, panel.title, "start", "name");
  if (!all.length) {
    label(svg, width / 2, top + panel.height / 2, "nothing in this range");
    return;
  }
  const flat = (panel.lines ?? []).map((each) => each.y);
  let low = Math.min(...flat, all.reduce((a, b) => Math.min(a, b))), high = Math.max(...flat, all.reduce((a, b) => Math.max(a, b)));
  if (panel.zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.01, high + (Math.abs(high) || 1) * 0.01];
  const room = (high - low) * 0.04;
  if (!(panel.zero && low === 0)) low -= room;
  if (!(panel.zero && high === 0)) high += room;
  const y = (value) => top + panel.height - ((value - low) / (high - low)) * panel.height;
  levels(svg, low, high, y, panel.form, panel.height, width);
  for (const { series, data } of drawn) MARKS[series.mark](svg, data, x, y, `t-${series.tone}`, series.weight ?? "");
  for (const line of panel.lines ?? []) {
    svg.append(element("line", { x1: px(line.from), x2: px(line.to), y1: y(line.y), y2: y(line.y), class: `line dashed t-${line.tone}` }));
    label(svg, px(line.from) - 6, y(line.y) + 4, line.name, "end", "halo");
  }
  for (const point of panel.points ?? []) svg.append(element("path", { d: SHAPES[point.shape](px(point.at), y(point.y)), class: `area t-${point.tone}` }));
}

const SHAPES = {
  disc: (x, y) => `M${x - 5} ${y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z`,
  diamond: (x, y) => `M${x} ${y - 7}l7 7l-7 7l-7 -7z`,
};
