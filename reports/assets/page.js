// What a reader can do with a page: choose light or dark, and read, walk and zoom its charts by pointer or keyboard.
const root = document.documentElement, button = document.getElementById("theme");
const preferred = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

function themed(choice) {
  if (choice) root.dataset.theme = choice;
  const now = root.dataset.theme ?? preferred();
  button.textContent = now === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", `Switch to ${now === "dark" ? "light" : "dark"} colours`);
}

function remembered(choice) {
  try {
    if (choice === undefined) return localStorage.getItem("theme");
    localStorage.setItem("theme", choice);
  } catch { /* a browser that keeps nothing for local files: the system's choice stays */ }
  return null;
}

themed(remembered());
button.hidden = false;
button.addEventListener("click", () => {
  const next = (root.dataset.theme ?? preferred()) === "dark" ? "light" : "dark";
  themed(next);
  remembered(next);
});

const MOST_ROWS = 2000; // of a table made here; the JSON beside the page has all

class Chart {
  constructor(figure) {
    this.spec = JSON.parse(figure.querySelector("script").textContent);
    this.plot = figure.querySelector(".plot");
    this.readout = figure.querySelector(".readout");
    this.live = figure.querySelector(".unseen");
    this.view = { range: null };
    this.cursor = null;
    this.width = 0;
    if (this.spec.tools) this.addTools(figure.querySelector(".tools"));
    this.listen();
    this.draw();
    const made = figure.querySelector("details.made");
    made?.addEventListener("toggle", () => made.open && this.tabulate(made));
    new ResizeObserver(() => this.plot.clientWidth !== this.width && this.draw()).observe(this.plot);
  }

  draw() {
    this.width = this.plot.clientWidth;
    this.drawn = KINDS[this.spec.kind](this.spec, this.width, this.view);
    this.plot.replaceChildren(this.drawn.svg);
    this.cursor = null;
    this.tell();
  }

  point(cursor, aloud) {
    this.cursor = cursor;
    this.mark?.remove();
    this.mark = cursor === null ? null : this.drawn.mark(cursor);
    if (this.mark) this.drawn.svg.append(this.mark);
    this.tell();
    if (aloud) this.live.textContent = this.readout.textContent;
  }

  tell() {
    const items = this.drawn.legend(this.cursor), parts = [];
    const head = this.cursor === null ? this.drawn.note : this.drawn.head(this.cursor);
    for (const { name, tone, line, weight, value } of items) {
      const item = document.createElement("span"), swatch = document.createElement("i");
      swatch.className = `${line ? "line " : ""}${weight ?? ""} t-${tone}`;
      item.append(...(tone ? [swatch] : []), name);
      if (value !== null && value !== undefined) item.append(" ", Object.assign(document.createElement("b"), { textContent: value }));
      parts.push(item, " ");
    }
    const title = Object.assign(document.createElement("span"), { className: "head", textContent: head ?? "" });
    this.readout.replaceChildren(...(this.cursor === null ? [...parts, title] : [title, " ", ...parts]));
  }

  // What the cursor reads, place after place: the table of a chart that brings none of its own.
  tabulate(made) {
    const last = Math.min(this.drawn.ends[1], MOST_ROWS - 1), named = this.spec.kind === "time" || this.spec.kind === "bars";
    const row = (kind, texts) => {
      const line = document.createElement("tr");
      line.append(...texts.map((textContent, i) => Object.assign(document.createElement(i ? kind : "th"), { textContent, className: i && named ? "n" : "short" })));
      line.firstChild.scope = kind === "th" ? "col" : "row";
      return line;
    };
    const table = document.createElement("table"), head = document.createElement("thead"), body = document.createElement("tbody");
    head.append(row("th", ["place", ...(named ? this.drawn.legend(0).map(({ name }) => name) : ["value"])]));
    for (let i = 0; i <= last; i++) {
      const items = this.drawn.legend(i);
      body.append(row("td", [this.drawn.head(i), ...(named ? items.map(({ value }) => value) : [items.map(({ name, value }) => [name, value].filter(Boolean).join(" ")).join(", ")])]));
    }
    table.append(head, body);
    const frame = Object.assign(document.createElement("div"), { className: last > 20 ? "scroll tall" : "scroll", tabIndex: 0 });
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", this.plot.getAttribute("aria-label").split(";")[0].replace("Chart", "Table"));
    frame.append(table);
    made.querySelector(".scroll")?.remove();
    made.append(frame);
  }

  listen() {
    let from = null, box = null;
    const place = (event) => { const at = this.plot.getBoundingClientRect(); return [event.clientX - at.left, event.clientY - at.top]; };
    this.plot.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      if (from !== null && Math.abs(x - from) > 4) {
        box?.remove();
        box = element("path", { d: cell(Math.min(from, x), 6, Math.abs(x - from), this.plot.clientHeight - 28), class: "picked" });
        this.drawn.svg.append(box);
      }
      this.point(this.drawn.hit(x, y), false);
    });
    this.plot.addEventListener("pointerdown", (event) => {
      if (this.spec.tools && event.pointerType === "mouse") from = place(event)[0];
    });
    this.plot.addEventListener("pointerup", (event) => {
      if (box) this.zoom(...[from, place(event)[0]].sort((a, b) => a - b).map((x) => this.drawn.index(x)));
      box?.remove();
      from = box = null;
    });
    this.plot.addEventListener("pointerleave", () => { box?.remove(); from = box = null; this.point(null, false); });
    this.plot.addEventListener("dblclick", () => this.spec.tools && this.zoom(0, this.spec.x.n));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("blur", () => this.point(null, false));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 10 : 1, [first, last] = this.drawn.ends;
    const walk = (dx, dy) => this.point(this.drawn.move(this.cursor, dx, dy), true);
    const deeds = {
      ArrowLeft: () => walk(-far, 0), ArrowRight: () => walk(far, 0), ArrowUp: () => walk(0, -1), ArrowDown: () => walk(0, 1),
      Home: () => this.point(first, true), End: () => this.point(last, true), Escape: () => this.point(null, false),
    };
    if (this.spec.tools) Object.assign(deeds, { "+": () => this.scale(0.5), "=": () => this.scale(0.5), "-": () => this.scale(2), 0: () => this.zoom(0, this.spec.x.n) });
    if (this.spec.kind === "time" || this.spec.kind === "bars") { delete deeds.ArrowUp; delete deeds.ArrowDown; }
    if (!deeds[event.key]) return;
    event.preventDefault();
    deeds[event.key]();
  }

  scale(by) {
    const [from, to] = this.view.range ?? [0, this.spec.x.n];
    const middle = this.cursor === null ? (from + to) / 2 : this.drawn.center(this.cursor), half = ((to - from) * by) / 2;
    this.zoom(middle - half, middle + half);
  }

  zoom(from, to) {
    const n = this.spec.x.n, long = Math.min(Math.max(Math.round(to - from), Math.min(12, n)), n);
    const start = Math.min(Math.max(Math.round(from), 0), n - long);
    this.view.range = [start, start + long];
    this.draw();
    for (const [each, button] of this.buttons) button.setAttribute("aria-pressed", String(each === long && start + long === n));
    this.live.textContent = `${span(this.spec.x.start + start * this.spec.x.step, long * this.spec.x.step)}; ${this.drawn.note}`;
  }

  addTools(bar) {
    const { n, step } = this.spec.x, add = (text, name, deed) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      if (name) made.setAttribute("aria-label", name);
      made.addEventListener("click", deed);
      bar.append(made);
      return made;
    };
    const pan = (by) => { const [from, to] = this.view.range ?? [0, n]; this.zoom(from + by * (to - from), to + by * (to - from)); };
    const ranges = [["All", n], ...[[365, "1 y"], [90, "90 d"], [30, "30 d"], [7, "7 d"], [1, "1 d"]].map(([days, text]) => [text, (days * DAY) / step])];
    this.buttons = new Map(ranges.filter(([text, long]) => text === "All" || (long < n && long >= 12)).map(([text, long]) =>
      [long, add(text, text === "All" ? "Whole range" : `Last ${text}`, () => this.zoom(n - long, n))]));
    this.buttons.get(n).setAttribute("aria-pressed", "true");
    add("−", "Zoom out", () => this.scale(2));
    add("+", "Zoom in", () => this.scale(0.5));
    add("◀", "Earlier", () => pan(-0.5));
    add("▶", "Later", () => pan(0.5));
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    seen.unobserve(entry.target);
    new Chart(entry.target);
  }
}, { rootMargin: "300px" });
document.querySelectorAll("figure.chart").forEach((figure) => seen.observe(figure));
addEventListener("beforeprint", () => document.querySelectorAll("figure.chart").forEach((figure) => {
  if (!figure.querySelector("svg")) { seen.unobserve(figure); new Chart(figure); }
}));
