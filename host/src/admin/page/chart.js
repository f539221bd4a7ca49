// A line chart that grows to the right. SVG, so that it follows the theme and the width of the page.

import { element } from "./dom.js";

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 150;
/** Points that are kept: six minutes. */
const MOST = 180;

function shape(name, attributes, text) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A step of 1, 2 or 5 that is not below the largest value. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

export class Chart {
  /** Lines are named; `format` makes a value text. */
  constructor(title, names, format) {
    this.names = names;
    this.format = format;
    this.points = [];
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.svg.setAttribute("aria-label", title);
    this.scale = element("span", "name");
    this.legend = element("div", "legend");
    this.node = element("div", "card", element("div", "name", title), this.scale, this.svg, this.legend);
  }

  /** One value for each line; null leaves a gap. */
  add(values) {
    this.points.push(values);
    if (this.points.length > MOST) this.points.shift();
    this.draw();
  }

  draw() {
    const top = ceiling(Math.max(...this.points.flat().filter((value) => value !== null), 0));
    const x = (at) => ((MOST - this.points.length + at) / (MOST - 1)) * WIDTH;
    const y = (value) => HEIGHT - 2 - (value / top) * (HEIGHT - 6);
    const grid = [0, 0.5, 1].map((share) =>
      shape("line", { x1: 0, x2: WIDTH, y1: y(top * share), y2: y(top * share), class: "grid" }));
    const lines = this.names.flatMap((_, line) => this.pieces(line).map((piece) =>
      shape("polyline", { class: `c${line}`, points: piece.map(([at, value]) => `${x(at)},${y(value)}`).join(" ") })));
    this.svg.replaceChildren(...grid, ...lines);
    this.scale.textContent = `up to ${this.format(top)}`;
    const last = this.points.at(-1);
    this.legend.replaceChildren(...this.names.map((name, line) =>
      element("span", `c${line}`, `— ${name} ${last[line] === null ? "–" : this.format(last[line])}`)));
  }

  /** The stretches of a line without gaps. A single point becomes a dash. */
  pieces(line) {
    const pieces = [[]];
    this.points.forEach((values, at) => {
      if (values[line] === null) pieces.push([]);
      else pieces.at(-1).push([at, values[line]]);
    });
    const dash = (piece) => (piece.length === 1 ? [[piece[0][0] - 0.5, piece[0][1]], piece[0]] : piece);
    return pieces.filter((piece) => piece.length > 0).map(dash);
  }
}
