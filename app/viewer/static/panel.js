// The panel beside the image: regions with filters, the way to the answer, the place
// asked about. All of it works by keyboard.

import { labelled, node } from "./dom.js";

const MOST = 300; // entries of a list

export class Panel {
  // `events`: filtered(), select(region), hover(region | null), go(image, window),
  // clear(), shown().
  constructor(element, events) {
    this.events = events;
    this.hiddenLabels = new Set();
    this.least = 0;
    this.count = node("p", { class: "count", role: "status" });
    this.labels = node("div", { class: "labels", role: "group", "aria-label": "Labels shown" });
    this.score = node("input", { type: "range", min: "0", max: "1", step: "0.01", value: "0" });
    this.scoreText = node("output", {}, "0.00");
    this.list = node("ul", { class: "list", "aria-label": "Regions" });
    this.heat = node("input", { type: "checkbox", checked: "" });
    this.frames = node("input", { type: "checkbox", checked: "" });
    this.steps = node("ol", { class: "list", "aria-label": "Windows looked at" });
    this.place = node("p", {});
    this.clear = node("button", { type: "button" }, "Clear the place");
    const score = labelled("Least score ", this.score);
    score.append(this.scoreText);
    this.regionsPart = node("details", { open: "" }, node("summary", {}, "Regions"), this.count, this.labels, score, this.list);
    this.stepsPart = node("details", {}, node("summary", {}, "How it looked"),
      check("Heat map of scores (bright: best)", this.heat), check("Windows", this.frames), this.steps);
    this.focusPart = node("div", { class: "focus-part", hidden: "" }, node("h2", {}, "Place asked about"), this.place, this.clear);
    element.append(this.focusPart, this.regionsPart, this.stepsPart);
    this.score.addEventListener("input", () => {
      this.least = Number(this.score.value);
      this.scoreText.textContent = this.least.toFixed(2);
      this.events.filtered();
    });
    for (const box of [this.heat, this.frames]) box.addEventListener("change", () => this.events.shown());
    this.clear.addEventListener("click", () => this.events.clear());
    for (const list of [this.list, this.steps]) list.addEventListener("keydown", arrows);
  }

  // Begin with the regions of another answer.
  open(colours) {
    this.hiddenLabels.clear();
    this.least = 0;
    this.score.value = "0";
    this.scoreText.textContent = "0.00";
    this.labels.replaceChildren(...[...colours].map(([label, { colour, count }]) => {
      const box = node("input", { type: "checkbox", checked: "" });
      box.addEventListener("change", () => {
        if (box.checked) this.hiddenLabels.delete(label);
        else this.hiddenLabels.add(label);
        this.events.filtered();
      });
      return check(`${label || "region"} (${count})`, box, colour);
    }));
    this.labels.hidden = colours.size === 0;
    this.score.parentElement.hidden = colours.size === 0;
  }

  passes(region) {
    return region.confidence >= this.least && !this.hiddenLabels.has(region.label);
  }

  regions(regions, all, colours) {
    const none = all === null ? "Regions of an answer are listed here." : "The answer has no regions.";
    this.count.textContent = all ? `${regions.length} of ${all} shown` : none;
    this.list.replaceChildren(...regions.slice(0, MOST).map((region) => {
      const swatch = node("i", { class: "swatch", "aria-hidden": "true" });
      swatch.style.background = colours.get(region.label).colour;
      const size = region.area_m2 ? areaText(region.area_m2) : `${Math.round(region.area_px)} px²`;
      const button = node("button", { type: "button", "data-region": region.id, "aria-pressed": "false" }, swatch,
        node("b", {}, region.label || "region"), ` ${region.confidence.toFixed(2)} `, node("small", {}, size));
      button.addEventListener("click", () => this.events.select(region));
      for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => this.events.hover(region));
      for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => this.events.hover(null));
      return node("li", {}, button);
    }));
    const more = regions.length - MOST;
    if (more > 0) this.list.append(node("li", {}, `and ${more} more: raise the least score`));
  }

  mark(selected) {
    for (const button of this.list.querySelectorAll("button")) {
      const on = Number(button.dataset.region) === selected;
      button.setAttribute("aria-pressed", String(on));
      if (on) button.scrollIntoView({ block: "nearest" });
    }
  }

  windows(steps, scored) {
    this.stepsPart.hidden = !steps.length && !scored;
    this.heat.parentElement.hidden = !scored;
    this.steps.replaceChildren(...steps.slice(0, MOST).map((step) => {
      const words = [step.step, step.note, step.rendering?.replaceAll("-", " ")].filter(Boolean).join(", ");
      const score = step.score === null || step.score === undefined ? "" : ` score ${step.score.toFixed(2)}`;
      const size = step.window.map(Math.round);
      const button = node("button", { type: "button" }, node("b", {}, `${step.number}`), ` ${words}${score} `,
        node("small", {}, `${size[2] - size[0]} × ${size[3] - size[1]} px`));
      button.addEventListener("click", () => this.events.go(step.image, step.window));
      return node("li", {}, button);
    }));
  }

  focus(text) {
    this.focusPart.hidden = !text;
    this.place.textContent = text || "";
  }
}

function check(text, box, colour) {
  const label = node("label", { class: "check" }, box);
  if (colour) {
    const swatch = node("i", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colour;
    label.append(swatch);
  }
  label.append(node("span", {}, text));
  return label;
}

// Up and down go through the buttons of a list.
function arrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  event.preventDefault();
  next?.focus();
}

function areaText(square) {
  if (square >= 1e6) return `${Number((square / 1e6).toPrecision(3))} km²`;
  if (square >= 1e5) return `${Number((square / 1e4).toPrecision(3))} ha`;
  return `${Number(square.toPrecision(3))} m²`;
}
