// The page's side of the viewer and of the buttons inside its HTML.
//
// Gradio draws the page; this script carries clicks to the server (`connect`), shows
// images and answers in the viewer (`show`), and keeps what is open open. Nothing is
// fetched from elsewhere, and no text becomes markup here.
"use strict";

window.rsvlmPage = (() => {
  const FILES = "/chat-files";
  const shown = { images: [], turn: null };
  let trigger = null;
  let loaded = false;
  let early = null;
  let frame = null;
  let ready = false;
  let focused = false;
  let waiting = [];
  const open = new Set();

  const dark = () => document.body.classList.contains("dark");
  const theme = () => (dark() ? "dark" : "light");
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  // ---- the viewer

  function post(message) {
    if (frame && ready) frame.contentWindow.postMessage(message, location.origin);
    else waiting.push(message);
  }

  function place(images) {
    const home = document.getElementById("viewer");
    if (!home) return false;
    if (frame && home.contains(frame)) return true;
    frame = document.createElement("iframe");
    frame.title = "Image viewer: zoom, pan, choose bands, draw a place";
    ready = false;
    const query = new URLSearchParams({ images: images.join(","), embed: "1", theme: theme() });
    frame.src = `/viewer/?${query}`;
    home.replaceChildren(frame);
    return true;
  }

  async function answerOf(turn) {
    if (!turn) return null;
    const reply = await fetch(`${FILES}/${turn}/answer.json`);
    return reply.ok ? reply.json() : null;
  }

  async function look(images, turn) {
    document.body.dataset.stage = images.length ? "images" : "start";
    if (!images.length) {
      Object.assign(shown, { images: [], turn: null });
      return;
    }
    if (!place(images)) {
      setTimeout(() => look(images, turn), 50);
      return;
    }
    if (same(images, shown.images) && turn === shown.turn) return;
    Object.assign(shown, { images, turn });
    const answer = await answerOf(turn);
    if (shown.turn === turn) post({ type: "rsvlm.show", images, answer });
  }

  window.addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow) return;
    if (event.origin !== location.origin) return;
    const data = event.data || {};
    if (data.type === "rsvlm.ready") {
      ready = true;
      waiting.splice(0).forEach(post);
    } else if (data.type === "rsvlm.focus") {
      // What we cleared ourselves comes back as news: that would go on for ever.
      if (data.box || focused) {
        act({ act: "focus", image: data.image, box: data.box || null, images: shown.images });
      }
    } else if (data.type === "rsvlm.selected") {
      mark(data.region);
    } else if (data.type === "rsvlm.error") {
      say(String(data.text));
    }
  });

  function mark(region) {
    const turn = document.getElementById(`turn-${shown.turn}`);
    if (!turn) return;
    for (const chip of turn.querySelectorAll("[data-region]")) {
      chip.toggleAttribute("data-chosen", chip.dataset.region === String(region));
    }
  }

  // ---- the server

  // A click that comes before Gradio listens, or before it has told what this browser
  // has here, would be lost: the last one is kept.
  function act(data) {
    if (trigger && loaded) trigger(data);
    else early = data;
  }

  function start() {
    if (!trigger || !loaded || !early) return;
    trigger(early);
    early = null;
  }

  function say(text) {
    const place = document.getElementById("say");
    if (place && text && place.textContent !== text) place.textContent = text;
  }

  function show(value) {
    if (!value || value.say === undefined) return;
    say(value.say);
    loaded = true;
    start();
    restore();
    if (value.keep) return;
    look(value.images || [], value.turn || null);
    if (focused && !value.focus) post({ type: "rsvlm.focus", image: 0, box: null });
    focused = Boolean(value.focus);
    follow();
  }

  // The newest turn is what one wants to read.
  function follow() {
    requestAnimationFrame(() => {
      const turns = document.querySelectorAll("#past .turn, #now .turn");
      const last = turns[turns.length - 1];
      const list = document.getElementById("talk");
      if (last && turns.length > 1 && list && list.scrollHeight > list.clientHeight) {
        list.scrollTop += last.getBoundingClientRect().top - list.getBoundingClientRect().top;
      }
    });
  }

  // ---- clicks inside our HTML

  async function go(button) {
    const turn = button.closest(".turn");
    const id = turn ? turn.id.replace("turn-", "") : null;
    if (id && id !== shown.turn) await look(JSON.parse(turn.dataset.files), id);
    const [image, ...box] = JSON.parse(button.dataset.goto);
    if (button.dataset.region) {
      mark(button.dataset.region);
      post({ type: "rsvlm.select", region: Number(button.dataset.region) });
    }
    post({ type: "rsvlm.goto", image, box });
    document.getElementById("viewer").scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  async function copy(button) {
    const code = button.nextElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(code);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.nextElementSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected: press Ctrl+C";
    }
  }

  function ask(text) {
    const box = document.querySelector("#question textarea, #question input");
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
    // Gradio takes the text in before the click is handled.
    setTimeout(() => document.getElementById("ask").click(), 60);
  }

  function turnLight() {
    document.body.classList.toggle("dark");
    try { localStorage.setItem("rsvlm-theme", theme()); } catch { /* not kept, then */ }
    post({ type: "rsvlm.theme", theme: theme() });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(
      "[data-act], [data-goto], [data-ask], [data-copy], [data-open], [data-theme-switch]",
    );
    if (!button) return;
    const { dataset } = button;
    if (dataset.goto) go(button);
    else if (dataset.act) act({ act: dataset.act, id: dataset.id || "" });
    else if (dataset.ask) ask(dataset.ask);
    else if (dataset.copy !== undefined) copy(button);
    else if (dataset.themeSwitch !== undefined) turnLight();
    else if (dataset.open) {
      const details = document.getElementById(dataset.open);
      if (details) details.open = true;
    }
  });

  // Details stay open when their HTML is drawn again; code is fetched when it is wanted.
  async function load(details) {
    const place = details.querySelector(".code");
    if (!place || place.dataset.loaded) return;
    place.dataset.loaded = "yes";
    const reply = await fetch(details.dataset.load);
    if (reply.ok) place.innerHTML = await reply.text(); // ours, and escaped there
    else place.textContent = "This could not be made. Load the page again.";
  }

  document.addEventListener("toggle", (event) => {
    const { keep, load: address } = event.target.dataset || {};
    if (keep) open[event.target.open ? "add" : "delete"](keep);
    if (address && event.target.open) load(event.target);
  }, true);

  function restore() {
    for (const details of document.querySelectorAll("details[data-keep]")) {
      if (open.has(details.dataset.keep)) details.open = true;
    }
  }

  // The list of conversations closes like a menu.
  function closeMenu(event) {
    const menu = document.querySelector("details.earlier[open]");
    if (menu && (event.key === "Escape" || (event.type === "click" && !menu.contains(event.target)))) {
      menu.open = false;
    }
  }
  document.addEventListener("keydown", closeMenu);
  document.addEventListener("click", closeMenu);

  // Gradio has set the system's theme by then.
  function connect(given) {
    trigger = given;
    start();
    try {
      const kept = localStorage.getItem("rsvlm-theme");
      if (kept) document.body.classList.toggle("dark", kept === "dark");
    } catch { /* the system's, then */ }
  }

  return { show, connect };
})();
