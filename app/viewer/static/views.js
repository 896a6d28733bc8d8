// One image on the screen, zoomed and moved. Two ways to draw it, with one interface:
// DeepView by OpenSeadragon over tiles, PlainView by one picture of the server a step.
//
// A view has `place`, {x, y, scale, angle}: the raster pixel in its middle, screen
// pixels per raster pixel, and degrees clockwise; `onchange(view)` is called whenever it
// changes.

const DEEPEST = 24; // screen pixels per raster pixel

export function styleQuery(style) {
  return new URLSearchParams(
    Object.entries(style).filter(([, value]) => value !== "" && value !== undefined),
  ).toString();
}

class View {
  constructor(facts, element) {
    this.facts = facts;
    this.element = element;
    this.onchange = () => {};
    this.ondrawn = () => {}; // called with whether all that is seen is drawn
    this.onfail = () => {};
  }

  get size() {
    return [this.element.clientWidth || 1, this.element.clientHeight || 1];
  }

  get fitScale() {
    const [w, h] = this.size;
    return Math.min(w / this.facts.width, h / this.facts.height);
  }

  fit() {
    const { width, height } = this.facts;
    this.go({ x: width / 2, y: height / 2, scale: this.fitScale * 0.98 });
  }

  // Show a box with some ground around it, but not more than four times enlarged.
  show([x0, y0, x1, y1]) {
    const [w, h] = this.size;
    const scale = Math.min(w / Math.max(x1 - x0, 1), h / Math.max(y1 - y0, 1)) * 0.6;
    const most = Math.max(4, this.fitScale);
    this.go({ x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale: Math.min(scale, most) });
  }

  // Steps go on from where the view is moving to, so that none of several is lost.
  zoom(factor, at) {
    const { x, y, scale } = this.aim;
    const limited = this.limit(scale * factor);
    const [px, py] = at ? this.toImage(...at, this.aim) : [x, y];
    const keep = scale / limited;
    this.go({ x: px + (x - px) * keep, y: py + (y - py) * keep, scale: limited });
  }

  pan(dx, dy) {
    const [w, h] = this.size;
    const [x, y] = this.toImage(w / 2 + dx, h / 2 + dy, this.aim);
    this.go({ x, y, scale: this.aim.scale });
  }

  limit(scale) {
    return Math.min(Math.max(scale, this.fitScale / 4), Math.max(DEEPEST, this.fitScale));
  }

  // [a, b, c, d, e, f] as in SVG: screen = matrix * raster.
  get matrix() {
    return this.matrixOf(this.place);
  }

  matrixOf({ x, y, scale, angle }) {
    const [w, h] = this.size;
    const cos = scale * Math.cos((angle * Math.PI) / 180);
    const sin = scale * Math.sin((angle * Math.PI) / 180);
    return [cos, sin, -sin, cos, w / 2 - cos * x + sin * y, h / 2 - sin * x - cos * y];
  }

  toScreen(x, y) {
    const [a, b, c, d, e, f] = this.matrix;
    return [a * x + c * y + e, b * x + d * y + f];
  }

  toImage(px, py, place = this.place) {
    const [a, b, c, d, e, f] = this.matrixOf(place);
    const area = a * d - b * c;
    const [u, v] = [px - e, py - f];
    return [(d * u - c * v) / area, (a * v - b * u) / area];
  }
}

export class DeepView extends View {
  constructor(facts, element, style) {
    super(facts, element);
    this.style = style;
    this.viewer = window.OpenSeadragon({
      element,
      showNavigationControl: false,
      showNavigator: false,
      animationTime: 0.4,
      drawer: "canvas",
      springStiffness: 9,
      maxZoomPixelRatio: DEEPEST,
      minZoomImageRatio: 0.25,
      visibilityRatio: 0.25,
      immediateRender: false,
      imageLoaderLimit: 4,
      tileRetryMax: 6, // a raster without overviews takes a while at first
      tileRetryDelay: 3000,
      maxImageCacheCount: 300,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: true },
      tabIndex: "",
    });
    // The page has keys of its own, the same with and without the library.
    this.viewer.innerTracker.keyHandler = null;
    this.viewer.innerTracker.keyDownHandler = null;
    this.viewer.canvas.removeAttribute("tabindex");
    this.ready = new Promise((resolve, reject) => {
      this.viewer.addOnceHandler("open", resolve);
      this.viewer.addOnceHandler("open-failed", reject);
    });
    this.viewer.world.addHandler("add-item", ({ item }) => {
      item.addHandler("fully-loaded-change", ({ fullyLoaded }) => this.ondrawn(fullyLoaded));
    });
    this.viewer.addHandler("tile-load-failed", () => this.onfail());
    this.viewer.open(this.source());
    for (const name of ["update-viewport", "animation", "resize"]) {
      this.viewer.addHandler(name, () => this.changed());
    }
  }

  changed() {
    const crisp = this.place.scale > 1.5; // show pixels as such, once they are enlarged
    if (crisp !== this.crisp) this.viewer.drawer.setImageSmoothingEnabled(!crisp);
    this.crisp = crisp;
    this.onchange(this);
  }

  source() {
    const { id, width, height, tile, last_level: last, version } = this.facts;
    const query = styleQuery({ ...this.style, v: version });
    const path = `images/${encodeURIComponent(id)}/tiles`;
    return {
      width,
      height,
      tileSize: tile,
      minLevel: 0,
      maxLevel: last,
      getTileUrl: (level, x, y) => `${path}/${level}/${x}_${y}.jpg?${query}`,
    };
  }

  // Draw it otherwise, at the same place.
  restyle(style) {
    this.style = style;
    this.ondrawn(false);
    const old = this.viewer.world.getItemAt(0);
    this.viewer.addTiledImage({
      tileSource: this.source(),
      success: () => { if (old) this.viewer.world.removeItem(old); },
    });
  }

  get place() {
    return this.placeOf(true);
  }

  get aim() {
    return this.placeOf(false);
  }

  placeOf(current) {
    const port = this.viewer.viewport;
    const centre = port.getCenter(current);
    const [w] = this.size;
    return {
      x: centre.x * this.facts.width,
      y: centre.y * this.facts.width,
      scale: (port.getZoom(current) * w) / this.facts.width,
      angle: port.getRotation(current),
    };
  }

  go({ x, y, scale, angle }, now = false) {
    const port = this.viewer.viewport;
    const { width } = this.facts;
    const instant = now || window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (angle !== undefined) port.setRotation(angle, true);
    port.zoomTo((scale * width) / this.size[0], null, instant);
    port.panTo(new window.OpenSeadragon.Point(x / width, y / width), instant);
    if (now) this.viewer.forceRedraw();
  }

  close() {
    this.viewer.destroy();
  }
}

export class PlainView extends View {
  constructor(facts, element, style) {
    super(facts, element);
    this.style = style;
    this.drawn = null; // the place that the picture shows
    this.current = { x: 0, y: 0, scale: 1, angle: 0 };
    this.picture = document.createElement("img");
    this.picture.className = "plain";
    this.picture.alt = "";
    this.picture.draggable = false;
    element.append(this.picture);
    this.ready = new Promise((resolve, reject) => {
      this.picture.addEventListener("load", resolve, { once: true });
      this.picture.addEventListener("error", reject, { once: true });
    });
    this.ready.catch(() => {});
    this.listen();
    this.resizes = new ResizeObserver(() => this.go(this.current));
    this.resizes.observe(element);
    this.fit();
  }

  listen() {
    let from = null;
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button === 0) from = [event.clientX, event.clientY];
    });
    this.element.addEventListener("pointermove", (event) => {
      if (!from || !event.buttons || event.defaultPrevented) return;
      this.pan(from[0] - event.clientX, from[1] - event.clientY);
      from = [event.clientX, event.clientY];
    });
    window.addEventListener("pointerup", () => { from = null; });
    this.element.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.element.getBoundingClientRect();
      const at = [event.clientX - box.left, event.clientY - box.top];
      this.zoom(event.deltaY < 0 ? 1.5 : 1 / 1.5, at);
    }, { passive: false });
  }

  get place() {
    return this.current;
  }

  get aim() {
    return this.current;
  }

  go({ x, y, scale }) {
    this.current = { x, y, scale: this.limit(scale), angle: 0 };
    this.put();
    this.ondrawn(false);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), this.drawn ? 150 : 0);
    this.onchange(this);
  }

  restyle(style) {
    this.style = style;
    this.ondrawn(false);
    this.draw();
  }

  // Ask the server for what is seen now; the old picture is moved meanwhile.
  draw() {
    const [w, h] = this.size;
    const { x, y, scale } = this.current;
    const box = [x - w / scale / 2, y - h / scale / 2, x + w / scale / 2, y + h / scale / 2];
    const query = styleQuery({
      ...this.style, box: box.map((v) => v.toFixed(3)), width: w, height: h,
      v: this.facts.version,
    });
    const next = new Image();
    next.onload = () => {
      if (this.wanted !== next) return;
      this.picture.src = next.src;
      this.tries = 0;
      this.drawn = { x, y, scale, w, h };
      this.put();
      this.ondrawn(true);
    };
    next.onerror = () => {
      if (this.wanted !== next) return;
      this.tries = (this.tries || 0) + 1;
      this.onfail();
      if (this.tries < 7) this.timer = setTimeout(() => this.draw(), 3000);
      else if (!this.drawn) this.picture.dispatchEvent(new Event("error"));
    };
    this.wanted = next;
    next.src = `images/${encodeURIComponent(this.facts.id)}/picture.jpg?${query}`;
  }

  put() {
    if (!this.drawn) return;
    const { x, y, scale, w, h } = this.drawn;
    const grow = this.current.scale / scale;
    const [left, top] = this.toScreen(x - w / scale / 2, y - h / scale / 2);
    Object.assign(this.picture.style, {
      width: `${w}px`, height: `${h}px`, transform: `translate(${left}px, ${top}px) scale(${grow})`,
    });
  }

  close() {
    this.resizes.disconnect();
    clearTimeout(this.timer);
    this.element.replaceChildren();
  }
}
