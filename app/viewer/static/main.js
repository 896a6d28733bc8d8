// The page: panes, tools and panel, and the messages to and from the page around it.

import { follow, overlap, twin } from "./link.js";
import { legend } from "./overlay.js";
import { Pane } from "./pane.js";
import { Panel } from "./panel.js";

const find = (selector) => document.querySelector(selector);
const query = new URLSearchParams(location.search);

const state = {
  images: [], // facts
  mode: "single",
  answer: null,
  colours: new Map(),
  selected: null,
  focus: null, // {image, box}
  lead: null, // the pane that was touched last; the other follows it
};

const events = {
  moved(pane) {
    if (pane !== state.lead || state.mode === "single") return;
    const other = panes.find((one) => one !== pane);
    if (other.view && pane.view) other.view.go(follow(pane, other), true);
  },
  pointed(pane, pixel) {
    const other = panes.find((one) => one !== pane);
    const linked = state.mode === "side" && pixel && other.view;
    other.putTwin(linked ? twin(pane, other, ...pixel) : null);
  },
  touched(pane) { state.lead = pane; },
  image(pane, index) { open(pane, index); },
  picked(pane, region) { select(region?.id ?? null, true); },
  hovered(pane, region) { hover(region); },
  drawn(pane, box) { setFocus(box ? { image: pane.index, box } : null, true); },
};
const panes = [new Pane("first view", events), new Pane("second view", events)];
const panel = new Panel(find("#panel-parts"), {
  filtered: showRegions,
  select(region) { select(region.id, true); goTo(region.image, region.hbb); },
  hover,
  go: goTo,
  clear() { setFocus(null, true); },
  shown: showTrace,
});

function tell(message) {
  if (window.parent !== window) window.parent.postMessage(message, location.origin);
}

function complain(text) {
  find("#error").textContent = text;
  find("#error").hidden = !text;
  if (text) tell({ type: "rsvlm.error", text });
}

async function load(id) {
  const answer = await fetch(`images/${encodeURIComponent(id)}`);
  if (answer.ok) return answer.json();
  const body = await answer.json().catch(() => ({}));
  throw new Error(body.error?.message || `The image ${id} cannot be shown (status ${answer.status}).`);
}

async function open(pane, index) {
  const names = state.images.map((facts, i) => `${i + 1}. ${facts.name} (${facts.sensor})`);
  await pane.open(state.images[index], index, names);
  showRegions();
  showTrace();
  showFocus();
  const other = panes.find((one) => one !== pane);
  if (state.mode !== "single" && other.view) {
    const [lead, led] = pane === panes[0] ? [pane, other] : [other, pane];
    state.lead = lead;
    led.view.go(follow(lead, led), true);
    sayApart();
  }
}

async function showImages(ids, mode) {
  complain("");
  document.body.classList.add("loading");
  try {
    state.images = await Promise.all(ids.map(load));
    find("#empty").hidden = state.images.length > 0;
    panes.forEach((pane) => pane.close());
    if (!state.images.length) return;
    const pair = state.images.length > 1;
    for (const input of document.querySelectorAll("[name=mode]")) input.disabled = !pair && input.value !== "single";
    await setMode(pair ? mode || "side" : "single", true);
    tell({ type: "rsvlm.shown", images: ids });
  } catch (error) {
    complain(error.message);
  } finally {
    document.body.classList.remove("loading");
  }
}

async function setMode(mode, anew = false) {
  state.mode = mode;
  document.body.dataset.mode = mode;
  find(`[name=mode][value=${mode}]`).checked = true;
  find("#swipe").hidden = mode !== "swipe";
  const [first, second] = panes;
  second.element.hidden = mode === "single";
  const index = anew ? 0 : Math.min(first.index ?? 0, state.images.length - 1);
  if (anew || !first.view) await open(first, index);
  if (mode === "single") second.close();
  else if (anew || !second.view) await open(second, state.images.length > 1 ? (index + 1) % state.images.length : index);
  putSwipe();
  sayApart();
}

function sayApart() {
  const [first, second] = panes;
  const apart = state.mode !== "single" && first.view && second.view && !overlap(first.facts, second.facts);
  second.say("", apart ? "These two images show different places." : "");
}

function putSwipe() {
  const share = find("#swipe-at").value;
  find("#panes").style.setProperty("--swipe", `${share}%`);
}

// Show a box of an image, in the pane that shows it.
async function goTo(image, box) {
  if (image === null || image === undefined || !state.images[image] || !box) return;
  let pane = panes.find((one) => one.view && one.index === image);
  if (!pane) {
    pane = panes[0];
    await open(pane, image);
  }
  state.lead = pane;
  pane.view.show(box);
}

function showRegions() {
  const all = state.answer?.regions || [];
  const shown = all.filter((region) => panel.passes(region));
  for (const pane of panes.filter((one) => one.view)) {
    pane.overlay.regions(shown.filter(({ image }) => image === pane.index), pane.facts, state.colours);
  }
  panel.regions(shown, state.answer && all.length, state.colours);
  select(state.selected, false);
}

function showTrace() {
  const steps = (state.answer?.trace || []).filter((step) => step.window && step.image !== null);
  const windows = steps.filter((step) => step.step !== "look").map((step, i) => ({ ...step, number: i + 1 }));
  for (const pane of panes.filter((one) => one.view)) {
    const mine = (step) => step.image === pane.index;
    pane.overlay.scores(panel.heat.checked ? steps.filter(mine) : []);
    pane.overlay.windows(panel.frames.checked ? windows.filter((step) => mine(step) && step.step === "zoom") : []);
  }
  panel.windows(windows, steps.some((step) => step.scores));
}

function setAnswer(answer) {
  state.answer = answer;
  state.selected = null;
  state.colours = legend(answer?.regions || []);
  panel.open(state.colours);
  showRegions();
  showTrace();
}

function select(id, byHand) {
  state.selected = id;
  for (const pane of panes) pane.overlay.mark(id, null);
  panel.mark(id);
  if (byHand) tell({ type: "rsvlm.selected", region: id });
}

function hover(region) {
  for (const pane of panes) {
    pane.overlay.mark(state.selected, region?.id ?? null);
    pane.area.classList.toggle("on-region", Boolean(region) && pane.tool === "move");
  }
}

function setFocus(focus, byHand) {
  const before = state.focus;
  state.focus = focus;
  showFocus();
  if (!byHand) return;
  setTool("move");
  tell({ type: "rsvlm.focus", image: (focus || before)?.image ?? 0, box: focus?.box ?? null });
}

function showFocus() {
  const { focus } = state;
  for (const pane of panes) pane.overlay.focus(focus && pane.index === focus.image ? focus.box : null);
  const facts = focus && state.images[focus.image];
  const [x0, y0, x1, y1] = (focus?.box || []).map(Math.round);
  panel.focus(facts && `${x1 - x0} × ${y1 - y0} pixels at ${x0}, ${y0} of ${facts.name}. The next question is about this place.`);
}

function setTool(tool) {
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
  for (const pane of panes) {
    pane.tool = tool;
    pane.area.dataset.tool = tool;
  }
}

function showPanel(open) {
  document.body.classList.toggle("no-panel", !open);
  find("[data-do=panel]").setAttribute("aria-expanded", String(open));
}

const lead = () => (state.lead?.view ? state.lead : panes[0]);

function setTheme(theme) {
  document.documentElement.dataset.theme = ["light", "dark"].includes(theme) ? theme : "auto";
}

// Only the page around this one, and only of the same origin, may say something.
function listen(event) {
  if (event.origin !== location.origin || event.source !== window.parent) return;
  if (window.parent === window) return;
  const message = event.data;
  if (typeof message !== "object" || message === null) return;
  const actions = {
    "rsvlm.show": async () => {
      const ids = message.images?.map(String);
      const same = !ids || (ids.length === state.images.length && ids.every((id, i) => id === state.images[i].id));
      if (!same) {
        state.answer = null;
        state.focus = null;
        await showImages(ids, message.view);
      }
      if (message.answer !== undefined) setAnswer(message.answer);
    },
    "rsvlm.goto": () => goTo(message.image, message.box),
    "rsvlm.select": () => {
      const region = state.answer?.regions.find(({ id }) => id === message.region);
      select(region?.id ?? null, false);
      if (region) goTo(region.image, region.hbb);
    },
    "rsvlm.focus": () => setFocus(message.box ? { image: message.image, box: message.box } : null, false),
    "rsvlm.theme": () => setTheme(message.theme),
  };
  // One after another: an answer that comes while its images load waits for them.
  if (Object.hasOwn(actions, message.type)) {
    turn = turn.then(actions[message.type]).catch((error) => complain(error.message));
  }
}
let turn = Promise.resolve();

function start() {
  find("#panes").append(...panes.map((pane) => pane.element), find("#swipe"));
  for (const input of document.querySelectorAll("[name=mode]")) input.addEventListener("change", () => setMode(input.value));
  find("#swipe-at").addEventListener("input", putSwipe);
  const tools = {
    "zoom-in": () => lead().view?.zoom(1.5), "zoom-out": () => lead().view?.zoom(1 / 1.5),
    fit: () => lead().view?.fit(), native: () => lead().view?.zoom(1 / lead().view.aim.scale),
    here: () => {
      const pane = lead();
      if (pane.view) events.drawn(pane, pane.boxOf([0, 0], pane.view.size));
    },
    panel: () => showPanel(document.body.classList.contains("no-panel")),
  };
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => { state.lead ??= panes[0]; tools[button.dataset.do](); });
  }
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.addEventListener("click", () => setTool(button.getAttribute("aria-pressed") === "true" ? "move" : button.dataset.tool));
  }
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && panes[0].tool !== "move") setTool("move");
    else if (event.key === "Escape" && state.selected !== null) select(null, true);
  });
  window.addEventListener("message", listen);
  setTheme(query.get("theme"));
  document.body.classList.toggle("embed", query.has("embed"));
  showPanel(!query.has("embed") || query.get("panel") === "open"); // the page around lists regions
  setTool("move");
  setAnswer(null);
  const ids = (query.get("images") || "").split(",").filter(Boolean);
  turn = showImages(ids, query.get("view")).then(() => tell({ type: "rsvlm.ready" }));
}

start();
