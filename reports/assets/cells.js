// Bars side by side or stacked, over names or over the edges of bins. ------------------------------------------------------
function bars(spec, width, view) {
  const n = spec.series[0].values.length, inner = width - LEFT - RIGHT, height = spec.height;
  const sums = Array.from({ length: n }, (_, i) => spec.series.reduce((sum, each) => sum + (each.values[i] ?? 0), 0));
  const all = spec.stacked ? sums : spec.series.flatMap((each) => each.values).filter(known);
  const high = spec.share ? 1 : Math.max(...all, 0) * 1.04 || 1, low = Math.min(...all, 0) * 1.04;
  const svg = canvas(width, height + 20 + FOOT + (spec.across ? 14 : 0)), top = 18;
  const x = (i) => LEFT + (i / n) * inner, y = (value) => top + height - ((value - low) / (high - low)) * height;
  label(svg, LEFT, top - 6, spec.title, "start", "name");
  levels(svg, low, high, y, spec.form, height, width);
  below(svg, spec, x, n, top + height, width);
  const gap = inner / n > 4 ? Math.min(inner / n * 0.18, 6) : 0, wide = inner / n - gap, parts = spec.stacked ? 1 : spec.series.length;
  const under = new Array(n).fill(0);
  spec.series.forEach((series, k) => {
    const path = series.values.map((value, i) => {
      if (!known(value) || value === 0) return "";
      const base = spec.stacked ? under[i] : 0, left = x(i) + gap / 2 + (spec.stacked ? 0 : (k * wide) / parts);
      under[i] += value;
      const a = y(base), b = y(base + value);
      return cell(left, Math.min(a, b), wide / parts, Math.max(Math.abs(a - b), 0.8));
    });
    svg.append(element("path", { d: path.join(""), class: `area t-${series.tone}` }));
  });
  const clamp = (i) => Math.min(Math.max(i, 0), n - 1);
  return {
    svg,
    hit: (at) => clamp(Math.floor(((at - LEFT) / inner) * n)),
    move: (cursor, dx) => clamp(cursor === null ? (dx < 0 ? n - 1 : 0) : cursor + dx),
    ends: [0, n - 1],
    mark: (cursor) => element("path", { d: cell(x(cursor), top - 2, inner / n, height + 3), class: "cursor" }),
    head: (cursor) => spec.names ? spec.names[cursor] : `${written(spec.edges[cursor], spec.edge)} … ${written(spec.edges[cursor + 1], spec.edge)}`,
    legend: (cursor) => spec.series.map((series) => ({ name: series.name, tone: series.tone,
      value: cursor === null ? null : written(series.values[cursor], spec.form) })),
  };
}

function below(svg, spec, x, n, bottom, width) {
  if (spec.across) label(svg, LEFT + (width - LEFT - RIGHT) / 2, bottom + 31, spec.across);
  if (spec.names) {
    const wide = Math.max(...spec.names.map((name) => name.length)) * 6.4 + 10, every = Math.ceil(wide / (x(1) - x(0)));
    spec.names.forEach((name, i) => i % every || label(svg, x(i + 0.5), bottom + 15, name));
    return;
  }
  const low = spec.edges[0], high = spec.edges[n];
  for (const at of ticks(low, high, (width - LEFT) / 80)) label(svg, x(((at - low) / (high - low)) * n), bottom + 15, onAxis(at, spec.edge));
}

// Cells in rows and columns: classes, or shades of a number. ---------------------------------------------------------------
function heat(spec, width, view) {
  const rows = spec.rows.length, n = spec.columns ? spec.columns.length : spec.x.n;
  const left = Math.min(Math.max(...spec.rows.map((name) => name.length)) * 6.6 + 12, width * 0.36), inner = width - left - RIGHT;
  const every = spec.x ? Math.max(1, Math.ceil((n * 2) / inner)) : 1, count = Math.ceil(n / every);
  const slanted = spec.columns && inner / n < 60, foot = slanted ? 16 + Math.max(...spec.columns.map((name) => name.length)) * 4.4 : FOOT;
  const tall = spec.height ? spec.height / rows : Math.min(Math.max(inner / n, 16), 30), bottom = rows * tall + 4;
  const svg = canvas(width, bottom + foot), wide = inner / count;
  const value = (row, column) => every === 1 ? spec.values[row][column]
    : GATHER[spec.gather](spec.values[row].slice(column * every, (column + 1) * every));
  const shade = (v) => spec.classes ? spec.classes[v].tone
    : spec.diverging ? "d" + Math.round(5 + 5 * Math.max(-1, Math.min(1, v / spec.most))) : "s" + sequential(v / spec.most);
  const paths = {}, texts = [];
  const pad = wide > 6 ? 1 : 0;
  for (let row = 0; row < rows; row++) for (let column = 0; column < count; column++) {
    const v = value(row, column);
    if (!known(v)) continue;
    const tone = shade(v);
    paths[tone] = (paths[tone] ?? "") + cell(left + column * wide, 4 + row * tall, wide - pad, tall - (tall > 12 ? 1 : 0));
    if (spec.texts && wide > 26) texts.push([column, row, onCell(v, spec.form), Math.abs(v / spec.most) > 0.55]);
  }
  for (const [tone, d] of Object.entries(paths)) svg.append(element("path", { d, class: `area t-${tone}` }));
  for (const [column, row, text, strong] of texts) label(svg, left + (column + 0.5) * wide - pad / 2, 4 + (row + 0.5) * tall + 3.5, text, "middle", strong ? "cell strong" : "cell");
  const skip = Math.ceil(13 / tall);
  spec.rows.forEach((name, i) => i % skip || label(svg, left - 8, 4 + (i + 0.5) * tall + 4, fitted(name, left - 12), "end"));
  heatFoot(svg, spec, { left, inner, wide, bottom, width, slanted });
  const clamp = (at, most) => Math.min(Math.max(at, 0), most - 1);
  const place = (cursor) => [Math.floor(cursor / rows), cursor % rows];
  const at = (column, row) => clamp(column, count) * rows + clamp(row, rows);
  return {
    svg,
    hit: (px, py) => at(Math.floor((px - left) / wide), Math.floor((py - 4) / tall)),
    move: (cursor, dx, dy) => cursor === null ? 0 : at(place(cursor)[0] + dx, place(cursor)[1] + dy),
    ends: [0, rows * count - 1],
    mark: (cursor) => element("path", { d: cell(left + place(cursor)[0] * wide, 4 + place(cursor)[1] * tall, Math.max(wide, 3), tall), class: "cursor" }),
    head: (cursor) => {
      const [column, row] = place(cursor);
      const across = spec.columns ? spec.columns[column] : span(spec.x.start + column * every * spec.x.step, every * spec.x.step);
      return `${spec.rows[row]}, ${across}`;
    },
    legend: (cursor) => heatLegend(spec, cursor === null ? undefined : value(place(cursor)[1], place(cursor)[0]),
      cursor === null ? "" : noted(spec, place(cursor), every)),
    note: every > 1 ? `a column is ${length(every * spec.x.step)}, and shows ${spec.gathered}` : "",
  };
}

const fitted = (name, room) => name.length * 6.4 > room ? name.slice(0, Math.max(3, Math.floor(room / 6.4) - 1)) + "…" : name;
// Only nothing is as pale as nothing, and only all of it as dark as all.
const sequential = (share) => share <= 0 ? 0 : share >= 1 ? 10 : Math.min(9, Math.max(1, Math.round(10 * share)));
const onCell = (value, form) => form === "ratio" ? String(Math.floor(value * 100)) : value.toFixed(2).replace("0.", ".").replace("-.00", ".00");

function noted(spec, [column, row], every) {
  for (let i = column * every; i < (column + 1) * every; i++) {
    const text = spec.notes?.[`${i},${row}`];
    if (text) return text;
  }
  return "";
}

function heatLegend(spec, value, note) {
  if (spec.classes) {
    const items = spec.classes.map((each, i) => ({ name: each.name, tone: each.tone, value: null, chosen: i === value }));
    if (value === undefined) return items;
    return [{ ...(items[value] ?? { name: "no day", tone: "grey" }), value: note || null }];
  }
  if (value === undefined) {
    const ends = spec.diverging ? [["d0", -spec.most], ["d5", 0], ["d10", spec.most]] : [["s0", 0], ["s10", spec.most]];
    return ends.map(([tone, at]) => ({ name: written(at, spec.form), tone, value: null }));
  }
  return [{ name: spec.measure, tone: known(value) ? null : "grey", value: written(value, spec.form) }];
}

function heatFoot(svg, spec, { left, inner, wide, bottom, width, slanted }) {
  if (spec.x) {
    const { start, step, n } = spec.x;
    for (const [at, text] of timeTicks(start, start + n * step, inner / 60)) {
      const px = left + ((at - start) / (n * step)) * inner;
      if (px + text.length * 3.4 < width + 4) label(svg, px, bottom + 15, text);
    }
    return;
  }
  spec.columns.forEach((name, i) => {
    const px = left + (i + 0.5) * wide;
    if (!slanted) return label(svg, px, bottom + 15, name);
    svg.append(element("text", { x: px, y: bottom + 8, "text-anchor": "end", transform: `rotate(-45 ${px} ${bottom + 8})` }, name));
  });
}

// Stretches of time in lanes. ------------------------------------------------------------------------------------------------
function lanes(spec, width, view) {
  const left = LEFT, inner = width - left - RIGHT, tall = 26, bottom = spec.rows.length * tall + 4;
  const svg = canvas(width, bottom + FOOT);
  const x = (at) => left + ((at - spec.from) / (spec.to - spec.from)) * inner;
  verticals(svg, timeTicks(spec.from, spec.to, inner / 70), x, 2, bottom, width);
  spec.rows.forEach((name, row) => label(svg, left - 8, row * tall + 21, name, "end"));
  const boxes = spec.segments.map(([row, from, to, kind]) => {
    const wide = Math.max(x(to) - x(from), spec.classes[kind].thin ? 2.5 : 0.8);
    return { d: cell(x(from), row * tall + 5, wide, tall - 5), row, kind, from: x(from), to: x(from) + wide };
  });
  spec.classes.forEach((each, kind) => svg.append(element("path", {
    d: boxes.filter((box) => box.kind === kind).map((box) => box.d).join(""), class: `area t-${each.tone}` })));
  const last = boxes.length - 1;
  return {
    svg,
    hit: (px, py) => {
      const row = Math.floor((py - 4) / tall), here = boxes.map((box, i) => [box, i]).filter(([box]) => box.row === row && px >= box.from && px <= box.to);
      return here.length ? here.reduce((best, each) => (each[0].to - each[0].from < best[0].to - best[0].from ? each : best))[1] : null;
    },
    move: (cursor, dx, dy) => {
      if (cursor === null) return 0;
      if (!dy) return Math.min(Math.max(cursor + dx, 0), last);
      const row = boxes[cursor].row + dy, found = boxes.findIndex((box) => box.row === row);
      return found < 0 ? cursor : found;
    },
    ends: [0, last],
    mark: (cursor) => element("path", { d: boxes[cursor].d, class: "cursor" }),
    head: (cursor) => spec.rows[spec.segments[cursor][0]],
    legend: (cursor) => cursor === null ? spec.classes.map((each) => ({ name: each.name, tone: each.tone, value: null })) : [{
      name: spec.classes[spec.segments[cursor][3]].name, tone: spec.classes[spec.segments[cursor][3]].tone,
      value: `${minute(spec.segments[cursor][1])} … ${minute(spec.segments[cursor][2])}, ${written(spec.segments[cursor][4], "count")} rows` }],
  };
}

const KINDS = { time, bars, heat, lanes };
