// What the tests of pages look at in a browser; each is called by its name.

const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const texts = (selector) => all(selector).map((e) => e.textContent);
const rows = (selector) => all(selector).map((row) => [...row.children].map((cell) => cell.firstChild.textContent));

// The words that do not stand out from their ground by 4.5 to 1 (WCAG 2, AA).
function faint() {
  const numbers = (text) => text.match(/[\d.]+/g).map(Number), seen = new Set(), found = [];
  const linear = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
  const ground = (e) => {
    const here = e ? numbers(getComputedStyle(e).backgroundColor) : [255, 255, 255];
    return here[3] === 0 ? ground(e.parentElement) : here;
  };
  const words = "h1, h2, h3, p, td, th, a, button, dt, dd, small, summary, .readout span, .plot text:not(.cell)";
  for (const e of all(words)) {
    const kind = `${e.tagName} ${e.className.baseVal ?? e.className} in ${e.parentElement.className}`;
    if (seen.has(kind)) continue;
    seen.add(kind);
    const style = getComputedStyle(e), one = light(numbers(e.closest("svg") ? style.fill : style.color)), other = light(ground(e));
    if (Math.max(one, other) / Math.min(one, other) < 4.5) found.push(kind);
  }
  return found;
}

// Words of one chart that lie over each other.
function overlaps() {
  const found = [];
  for (const svg of all(".plot svg")) {
    const words = all("text:not(.cell):not(.halo):not([transform])", svg).map((e) => [e.textContent, e.getBoundingClientRect()]);
    words.forEach(([text, a], i) => words.slice(0, i).forEach(([other, b]) => {
      const across = a.left + 1 < b.right && b.left + 1 < a.right, down = a.top + 3 < b.bottom && b.top + 3 < a.bottom;
      if (across && down) found.push([svg.closest("figure").id, text, other].join(" | "));
    }));
  }
  return found;
}

// Charts, and how many of their marks cover ground.
const drawn = () => all("figure.chart").map((figure) =>
  [figure.id, all(".plot path", figure).filter((path) => path.getBBox().width > 1).length]);

// How many colours does a chart show, as pixels?
function shades(selector, done) {
  const svg = document.querySelector(selector).cloneNode(true), from = all(`${selector} *`);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  all("*", svg).forEach((e, i) => ["fill", "stroke"].forEach((key) => e.setAttribute(key, getComputedStyle(from[i])[key])));
  const image = new Image(), canvas = document.createElement("canvas");
  image.onload = () => {
    [canvas.width, canvas.height] = [image.width, image.height];
    const pen = canvas.getContext("2d"), found = new Set();
    pen.drawImage(image, 0, 0);
    const data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) found.add(data.slice(i, i + 3).join());
    done(found.size);
  };
  image.src = "data:image/svg+xml," + encodeURIComponent(svg.outerHTML);
}

// What a screen reader would have no name for, and names given twice.
const nameless = () => all("button, a, .plot, .scroll").filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim())).length;
const twice = () => all("[id]").map((e) => e.id).filter((id, i, ids) => ids.indexOf(id) !== i);
const outside = () => all(".card").filter((e) => e.getBoundingClientRect().right > innerWidth).length;

// Bring a chart before the reader, with the focus on it or on a button of its, once it is drawn.
function focus(figure, button, done) {
  const here = document.getElementById(figure);
  here.scrollIntoView();
  const look = () => {
    if (!here.querySelector(".plot svg")) return requestAnimationFrame(look);
    (button ? all("button", here).find((e) => e.textContent === button) : here.querySelector(".plot")).focus();
    return done();
  };
  look();
}

// Have every chart drawn, as if a reader had scrolled by.
function walk(done) {
  const figures = all("figure.chart");
  const next = (i) => {
    if (i < figures.length) return focus(figures[i].id, null, () => next(i + 1));
    document.activeElement.blur();
    scrollTo(0, 0);
    return setTimeout(done, 50);
  };
  next(0);
}
