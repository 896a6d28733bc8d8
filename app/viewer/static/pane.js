// A pane: one image with its view, what is drawn over it, and how it is drawn.

import { Ground, degrees, lengthText, roundLength } from "./ground.js";
import { node } from "./dom.js";
import { Overlay } from "./overlay.js";
import { PictureSettings } from "./settings.js";
import { DeepView, PlainView } from "./views.js";

const POINT = 96; // screen pixels of the place around a clicked point

export class Pane {
  // `events` has functions: moved(pane), touched(pane), image(pane, index),
  // pointed(pane, pixel | null), picked(pane, region | null), hovered(pane, region | null), drawn(pane, box).
  constructor(name, events) {
    this.events = events;
    this.tool = "move";
    this.settings = new PictureSettings(name, (style) => this.restyle(style));
    this.picker = node("select", { "aria-label": `Image shown in ${name}` });
    this.picker.addEventListener("change", () => events.image(this, Number(this.picker.value)));
    this.stage = node("div", { class: "stage" });
    this.area = node("div", {
      class: "area", tabindex: "0", role: "application", "aria-describedby": "keys",
    }, this.stage);
    this.overlay = new Overlay(this.area);
    this.bar = node("div", { class: "scale-bar", role: "img" }, node("span"));
    this.where = node("output", { class: "where" });
    this.note = node("p", { class: "note", role: "status", hidden: "" });
    this.twin = node("div", { class: "twin", "aria-hidden": "true", hidden: "" });
    this.area.append(this.twin, this.bar, this.where, this.note);
    this.head = node("div", { class: "head" }, this.picker, this.settings.element);
    this.element = node("section", { class: "pane", "aria-label": name }, this.head, this.area);
    this.listen();
  }

  async open(facts, index, names) {
    this.close();
    this.facts = facts;
    this.index = index;
    this.ground = facts.grid ? new Ground(facts) : null;
    this.picker.replaceChildren(...names.map((text, i) => node("option", { value: i }, text)));
    this.picker.value = String(index);
    this.picker.hidden = names.length < 2;
    this.area.setAttribute("aria-label", `Image ${facts.name}, ${facts.width} by ${facts.height} pixels`);
    this.settings.open(facts);
    this.say(facts.needs_copy
      ? "This image has no overviews: a small copy is being made, once. It may take a while."
      : "Loading the image…");
    const Kind = window.OpenSeadragon ? DeepView : PlainView;
    this.view = new Kind(facts, this.stage, this.settings.style);
    const { view } = this;
    this.area.removeAttribute("data-drawn");
    view.ondrawn = (all) => {
      this.area.toggleAttribute("data-drawn", all); // for whoever watches the page
      if (all) this.say("");
    };
    view.onfail = () => this.say("Some of the image could not be loaded. Move it to try again.");
    try {
      await view.ready;
    } catch {
      this.say("The image cannot be drawn. Reload the page to try again.");
      throw new Error(`The image ${facts.name} cannot be drawn.`);
    }
    if (view !== this.view) return; // another image was opened meanwhile
    view.onchange = () => this.moved();
    view.fit();
    this.moved();
  }

  close() {
    this.view?.close();
    this.view = null;
    this.stage.replaceChildren();
  }

  restyle(style) {
    this.view?.restyle(style);
  }

  // Say something above the image; without words, what stays true is said, if anything.
  say(text, lasting = this.lasting || "") {
    this.lasting = lasting;
    this.note.textContent = text || lasting;
    this.note.hidden = !this.note.textContent;
  }

  moved() {
    this.overlay.move(this.view);
    this.putBar();
    this.putWhere();
    this.events.moved(this);
  }

  // Metres on the ground for one screen pixel to the right in the middle, or null.
  get metresPerPixel() {
    const { x, y, scale, angle } = this.view.place;
    const [right, down] = this.ground?.metres(x, y) || [];
    if (!right) return null;
    const [cos, sin] = [Math.cos, Math.sin].map((f) => f((-angle * Math.PI) / 180));
    return Math.hypot(cos * right[0] + sin * down[0], cos * right[1] + sin * down[1]) / scale;
  }

  putBar() {
    const metres = this.metresPerPixel;
    const unit = metres ?? 1 / this.view.place.scale; // a length, or raster pixels
    const length = roundLength(unit * Math.min(this.view.size[0] / 4, 160));
    const text = metres ? lengthText(length) : `${length} px`;
    this.bar.style.width = `${length / unit}px`;
    this.bar.firstChild.textContent = text;
    this.bar.setAttribute("aria-label", `Scale bar: ${text}`);
  }

  // Where the pointer is, or the middle of what is seen.
  putWhere(point = this.pointer) {
    this.pointer = point;
    const [w, h] = this.view.size;
    const [x, y] = this.view.toImage(...(point || [w / 2, h / 2]));
    const inside = x >= 0 && y >= 0 && x < this.facts.width && y < this.facts.height;
    const place = inside && this.ground?.at(x, y);
    const words = [place && degrees(place), `${Math.floor(x)}, ${Math.floor(y)} px`].filter(Boolean);
    this.where.textContent = inside ? words.slice(0, point ? 2 : 1).join(" · ") : "outside the image";
    this.where.classList.toggle("middle", !point);
    this.events.pointed(this, point && inside ? [x, y] : null);
  }

  // Show where the pointer over a linked image is in this one.
  putTwin(pixel) {
    this.twin.hidden = !pixel;
    if (!pixel) return;
    const [left, top] = this.view.toScreen(...pixel);
    this.twin.style.transform = `translate(${left}px, ${top}px)`;
  }

  listen() {
    const { area } = this;
    const at = (event) => {
      const box = area.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let start = null;
    // In the capture phase: the library below keeps the pointer to itself otherwise.
    area.addEventListener("pointerdown", (event) => {
      this.events.touched(this);
      if (!this.view || event.button !== 0) return;
      area.focus({ preventScroll: true }); // the library keeps a click from doing that
      start = { at: at(event), time: event.timeStamp, draws: this.tool === "box" || event.shiftKey };
      if (!start.draws) return;
      event.stopPropagation();
      event.preventDefault();
      area.setPointerCapture(event.pointerId);
    }, true);
    area.addEventListener("pointermove", (event) => {
      if (!this.view) return;
      this.putWhere(at(event));
      if (start?.draws) {
        event.stopPropagation();
        this.overlay.focus(this.boxOf(start.at, at(event)));
      } else if (!event.buttons) {
        this.events.hovered(this, this.overlay.hit(...this.view.toImage(...at(event))));
      }
    }, true);
    area.addEventListener("pointerup", (event) => {
      if (!this.view || !start) return;
      const [from, to] = [start.at, at(event)];
      const moved = Math.hypot(to[0] - from[0], to[1] - from[1]);
      if (start.draws) {
        event.stopPropagation();
        if (moved > 4) this.events.drawn(this, this.boxOf(from, to));
        else this.click(to);
      } else if (moved < 5 && event.timeStamp - start.time < 600) this.click(to);
      start = null;
    }, true);
    area.addEventListener("pointercancel", () => { start = null; }, true);
    area.addEventListener("pointerleave", () => {
      if (!this.view) return;
      this.putWhere(null);
      this.events.hovered(this, null);
    });
    area.addEventListener("wheel", () => this.events.touched(this), { capture: true, passive: true });
    area.addEventListener("focusin", () => this.events.touched(this));
    area.addEventListener("keydown", (event) => this.key(event));
  }

  click(point) {
    const [x, y] = this.view.toImage(...point);
    if (this.tool === "move") {
      this.events.picked(this, this.overlay.hit(x, y));
      return;
    }
    const half = POINT / 2;
    const corner = (sign) => [point[0] + sign * half, point[1] + sign * half];
    this.events.drawn(this, this.boxOf(corner(-1), corner(1)));
  }

  // Raster box around two points of the screen, inside the image; null where outside.
  boxOf(a, b) {
    const corners = [a, b, [a[0], b[1]], [b[0], a[1]]].map((p) => this.view.toImage(...p));
    const clip = (value, most) => Math.min(Math.max(value, 0), most);
    const xs = corners.map(([x]) => clip(x, this.facts.width));
    const ys = corners.map(([, y]) => clip(y, this.facts.height));
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    return box[2] - box[0] < 1 || box[3] - box[1] < 1 ? null : box.map((v) => Math.round(v * 100) / 100);
  }

  key(event) {
    if (!this.view || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 240 : 80;
    const actions = {
      ArrowLeft: () => this.view.pan(-step, 0), ArrowRight: () => this.view.pan(step, 0),
      ArrowUp: () => this.view.pan(0, -step), ArrowDown: () => this.view.pan(0, step),
      "+": () => this.view.zoom(1.5), "=": () => this.view.zoom(1.5),
      "-": () => this.view.zoom(1 / 1.5), 0: () => this.view.fit(), Home: () => this.view.fit(),
      1: () => this.view.zoom(1 / this.view.aim.scale),
      Enter: () => this.click(this.view.size.map((side) => side / 2)),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    this.pointer = null;
    this.events.touched(this);
    actions[event.key]();
  }
}
