// What is drawn over an image: regions, scores of tiles, windows, the place asked about.
// Words only ever become text of a node, never markup.

import { outline } from "./shapes.js";

const SVG = "http://www.w3.org/2000/svg";
// Colours that people with any kind of colour vision tell apart (Okabe and Ito), each on
// a dark rim; a fifth label and later ones are dashed besides.
export const COLOURS = [
  "#e69f00", "#56b4e9", "#f0e442", "#cc79a7", "#009e73", "#d55e00", "#ffffff", "#0072b2",
];
const RAMP = [[40, 0, 90], [203, 71, 120], [252, 253, 150]]; // dark to bright
const MOST_TAGS = 40;
const TAG = 22; // height of a tag, screen pixels

export function svg(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// Label -> colour and dashes, the commonest label first.
export function legend(regions) {
  const counts = new Map();
  for (const { label } of regions) counts.set(label, (counts.get(label) || 0) + 1);
  const labels = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  return new Map(labels.map((label, i) => [label, {
    count: counts.get(label),
    colour: COLOURS[i % COLOURS.length],
    dashes: ["none", "7 4", "2 4"][Math.floor(i / 4) % 3],
  }]));
}

export class Overlay {
  constructor(element) {
    this.svg = svg("svg", { class: "overlay", "aria-hidden": "true" });
    this.layer = svg("g");
    this.groups = {};
    for (const name of ["scores", "windows", "regions", "focus"]) {
      this.groups[name] = this.layer.appendChild(svg("g", { class: name }));
    }
    this.svg.append(this.layer);
    this.tags = document.createElement("div");
    this.tags.className = "tags";
    this.tags.setAttribute("aria-hidden", "true");
    element.append(this.svg, this.tags);
    this.shapes = []; // {region, path, box, tag}
    this.numbers = []; // {box, tag}
    this.selected = null;
    this.hovered = null;
  }

  regions(regions, image, colours) {
    this.shapes = regions.map((region) => {
      const { colour, dashes } = colours.get(region.label);
      const group = svg("g", { class: `region ${region.kind}` });
      const d = outline(region, image);
      const rule = { d, "fill-rule": "evenodd" };
      group.append(svg("path", { ...rule, class: "rim" }));
      const path = svg("path", { ...rule, class: "line" });
      Object.assign(path.style, { stroke: colour, fill: colour, strokeDasharray: dashes });
      group.append(path);
      const tag = document.createElement("span");
      tag.className = "tag";
      tag.style.borderLeftColor = colour;
      tag.textContent = `${region.label} ${region.confidence.toFixed(2)}`;
      return { region, group, path, tag, box: region.hbb };
    });
    // Large ones first, so that small ones on them are seen and hit.
    this.shapes.sort((a, b) => b.region.area_px - a.region.area_px);
    this.groups.regions.replaceChildren(...this.shapes.map((shape) => shape.group));
    this.put();
  }

  scores(steps) {
    const pictures = steps.filter((step) => step.scores && step.window).map((step) => {
      const [x, y, x1, y1] = step.window;
      return svg("image", {
        href: heat(step.scores), x, y, width: x1 - x, height: y1 - y,
        preserveAspectRatio: "none", style: "image-rendering: pixelated",
      });
    });
    this.groups.scores.replaceChildren(...pictures);
  }

  windows(steps) {
    this.numbers = steps.map(({ number, window }) => {
      const tag = document.createElement("span");
      tag.className = "tag number";
      tag.textContent = String(number);
      return { box: window, tag };
    });
    const boxes = steps.flatMap(({ window: [x, y, x1, y1] }) => {
      const place = { x, y, width: x1 - x, height: y1 - y };
      return [svg("rect", { ...place, class: "rim" }), svg("rect", { ...place, class: "line" })];
    });
    this.groups.windows.replaceChildren(...boxes);
    this.put();
  }

  focus(box) {
    const nodes = [];
    if (box) {
      const [x, y, x1, y1] = box;
      const place = { x, y, width: x1 - x, height: y1 - y };
      nodes.push(svg("rect", { ...place, class: "rim" }), svg("rect", { ...place, class: "line" }));
    }
    this.groups.focus.replaceChildren(...nodes);
  }

  // The region under a raster pixel, the smallest of several.
  hit(x, y) {
    const point = new DOMPoint(x, y);
    for (let i = this.shapes.length - 1; i >= 0; i--) {
      const { path, box: [x0, y0, x1, y1], region } = this.shapes[i];
      if (x >= x0 && x < x1 && y >= y0 && y < y1 && path.isPointInFill(point)) return region;
    }
    return null;
  }

  mark(selected, hovered) {
    this.selected = selected;
    this.hovered = hovered;
    for (const { region, group } of this.shapes) {
      group.classList.toggle("selected", region.id === selected);
      group.classList.toggle("hovered", region.id === hovered);
    }
    this.put();
  }

  // Follow the view.
  move(view) {
    this.view = view;
    this.layer.setAttribute("transform", `matrix(${view.matrix.join(" ")})`);
    this.put();
  }

  // Place the tags: beside few regions, or beside the one that is pointed at. A tag that
  // finds no free spot is left out until one zooms in.
  put() {
    if (!this.view) return;
    const [w, h] = this.view.size;
    const seen = this.shapes.filter(({ box }) => this.inView(box, w, h));
    const strong = ({ region }) => region.id === this.selected || region.id === this.hovered;
    const wanted = seen.filter((shape) => strong(shape) || seen.length <= MOST_TAGS);
    wanted.sort((a, b) => strong(b) - strong(a) || b.region.confidence - a.region.confidence);
    const taken = [];
    const numbers = this.numbers.filter(({ box }) => this.inView(box, w, h));
    this.tags.replaceChildren(...[...wanted, ...numbers].flatMap((one) => {
      const width = Math.min(one.tag.textContent.length * 7.2 + 16, 224);
      const spots = this.spots(one.box, width, w, h);
      const spot = spots.find(([x, y]) => !taken.some(
        ([a, b, c]) => x < c && x + width > a && Math.abs(y - b) < TAG,
      ));
      const must = one.region && strong(one);
      one.tag.classList.toggle("strong", Boolean(must));
      if (!spot && !must) return [];
      const [x, y] = spot || spots[0];
      taken.push([x, y, x + width]);
      one.tag.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
      return [one.tag];
    }));
  }

  // Places for a tag of this width around a box: above, below, to the right, the left.
  spots([x0, y0, x1, y1], width, w, h) {
    const at = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(([x, y]) => this.view.toScreen(x, y));
    const [left, top] = [0, 1].map((k) => Math.min(...at.map((p) => p[k])));
    const [right, bottom] = [0, 1].map((k) => Math.max(...at.map((p) => p[k])));
    const spots = [[left, top - TAG], [left, bottom + 2], [right + 4, top], [left - width - 4, top]];
    const within = (value, most) => Math.max(Math.min(value, most), 2);
    return spots.map(([x, y]) => [within(x, w - width - 2), within(y, h - TAG)]);
  }

  inView([x0, y0, x1, y1], w, h) {
    const [a, b] = [this.view.toScreen(x0, y0), this.view.toScreen(x1, y1)];
    return Math.max(a[0], b[0]) > 0 && Math.max(a[1], b[1]) > 0
      && Math.min(a[0], b[0]) < w && Math.min(a[1], b[1]) < h;
  }
}

// Draw a grid of scores, row by row, as a picture: the median clear, the best strongest.
function heat(scores) {
  const [rows, columns] = [scores.length, scores[0].length];
  const sorted = scores.flat().sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const reach = Math.max(sorted[sorted.length - 1] - low, 1e-6);
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  scores.flat().forEach((score, i) => {
    const share = Math.min(Math.max((score - low) / reach, 0), 1);
    const at = share * (RAMP.length - 1);
    const k = Math.min(Math.floor(at), RAMP.length - 2);
    for (let c = 0; c < 3; c++) {
      pixels.data[4 * i + c] = RAMP[k][c] + (at - k) * (RAMP[k + 1][c] - RAMP[k][c]);
    }
    pixels.data[4 * i + 3] = 255 * 0.65 * share;
  });
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}
