// The page: what the pedal says is drawn, what the player does is shown at once and sent.

import { bookOnPage } from "./book.js";
import { boxOnPage } from "./box.js";
import { controlsOnPage } from "./controls.js";
import { Dial } from "./dial.js";
import { drawLists, markLists, sheetOnPage } from "./library.js";
import { follow, latestOnly, post, upload } from "./link.js";
import { listening } from "./listen.js";
import { metersOnPage } from "./meters.js";
import { bankOnPage } from "./stage.js";
import { tunerOnPage } from "./tuner.js";
import { decibels, modelWords } from "./words.js";

const GATE_OFF_DB = -120; // what the pedal understands as no gate
const GATE_LOWEST_DB = -90; // where the dial ends and reads Off
const SETTLE_MS = 500; // what a hand has just moved isn't overruled by older news for so long

const byId = (id) => document.getElementById(id);
let state = null;
let library = { models: [], cabinets: [] };
let stage = { presets: [], setlists: [] };
let meters = { audio: "absent", generation: 0, failed_generation: 0 };
let wanted = {}; // model or cabinet tapped, until the panel has it
let shownKnobs = "";
let told = null; // the panel's last message, so that it is said once
const modelDials = new Map();
const touched = new Map(); // control → when a hand last moved it

const sender = latestOnly((change) => post("set", change), (error) => {
  touched.clear();
  toast(error.message);
  render();
});

function toast(message) {
  const element = byId("toast");
  (document.querySelector("dialog[open]") || document.body).append(element); // or an open view would cover it
  element.textContent = message;
  element.classList.add("shown");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => element.classList.remove("shown"), Math.max(4000, 70 * message.length));
}

function touch(control, change) {
  touched.set(control, performance.now());
  sender.push(change);
  clearTimeout(touch.timer);
  touch.timer = setTimeout(render, SETTLE_MS + 50);
}

const settled = (control) => !(performance.now() - (touched.get(control) ?? -Infinity) < SETTLE_MS);

const FIXED = [
  { name: "Input", key: "input_gain_db", minimum: -24, maximum: 24, default: 0, step: 0.5, words: decibels },
  {
    name: "Gate", key: "gate_threshold_db", minimum: GATE_LOWEST_DB, maximum: -20, default: GATE_LOWEST_DB, step: 1,
    words: (value) => (value <= GATE_LOWEST_DB ? "Off" : `${Math.round(value)} dB`.replace("-", "−")),
  },
  { name: "Level", key: "level_db", minimum: -40, maximum: 12, default: 0, step: 0.5, words: decibels },
  ...["Bass", "Middle", "Treble"].map((name) => ({
    name, key: `${name.toLowerCase()}_db`, minimum: -12, maximum: 12, default: 0, step: 0.5, words: decibels, place: "tone-knobs",
  })),
];
const fixedDials = FIXED.map((knob) => {
  const dial = new Dial(knob, (value) => {
    const isOff = knob.key === "gate_threshold_db" && value <= GATE_LOWEST_DB;
    touch(knob.key, { [knob.key]: isOff ? GATE_OFF_DB : value });
  });
  byId(knob.place || "fixed-knobs").append(dial.element);
  return dial;
});

const chosen = () => ({
  model: "model" in wanted ? wanted.model : state.model,
  cabinet: "cabinet" in wanted ? wanted.cabinet : state.cabinet,
});

function renderKnobs(model) {
  const knobs = (model && model.knobs) || [];
  const drawn = model ? model.id + JSON.stringify(knobs) : "";
  const section = byId("model-knobs");
  if (drawn !== shownKnobs) {
    shownKnobs = drawn;
    modelDials.clear();
    section.replaceChildren();
    for (const knob of knobs) {
      const dial = new Dial(knob, (value) => touch(`knob ${knob.name}`, { knobs: { [knob.name]: value } }));
      modelDials.set(knob.name, dial);
      section.append(dial.element);
    }
    section.hidden = knobs.length === 0;
    section.dataset.count = Math.min(knobs.length, 3);
  }
  if (!model || state.model !== model.id) return;
  for (const [name, dial] of modelDials) {
    if (settled(`knob ${name}`) && name in state.knobs) dial.show(state.knobs[name]);
  }
}

function renderBypass() {
  const button = byId("bypass");
  const bypassed = button.dataset.wanted ? button.dataset.wanted === "true" : state.bypass;
  button.classList.toggle("bypassed", bypassed);
  button.setAttribute("aria-pressed", String(bypassed));
  button.setAttribute("aria-label", bypassed ? "Bypassed: tap to play through the model" : "On: tap to bypass");
  button.querySelector(".stomp-word").textContent = bypassed ? "Bypass" : "On";
}

/** model or cabinet while the engine hasn't confirmed it, else "". */
function pendingKind() {
  if ("model" in wanted) return "model";
  if ("cabinet" in wanted) return "cabinet";
  const waits = meters.audio !== "absent" && state.generation > meters.generation && meters.failed_generation < state.generation;
  return waits ? lastPicked : "";
}
let lastPicked = "model";

function render() {
  if (!state) return;
  const now = chosen();
  const model = library.models.find((item) => item.id === now.model);
  const pending = pendingKind();
  const preset = stage.presets.find((entry) => entry.id === state.preset);
  const name = preset ? preset.name : model ? model.name : "No model";
  const missing = now.model && !model ? "Its model is missing: the guitar is played dry" : "The guitar passes unchanged";
  byId("now-name").textContent = name;
  byId("now-name").classList.toggle("long", name.length > 20);
  byId("now-name").classList.toggle("edited", Boolean(preset) && state.edited);
  byId("now-kind").textContent = model ? [preset && model.name, modelWords(model)].filter(Boolean).join(" · ") : missing;
  byId("now-kind").dataset.model = model ? model.name : "";
  document.title = `${name} – Pedal`;
  drawBank(state, stage);
  book.draw(state, stage);
  tuner.state(state);
  controls.state(state, model, preset);
  box.state(state);
  document.body.classList.toggle("swapping", pending === "model");
  renderBypass();
  renderKnobs(model);
  FIXED.forEach((knob, index) => settled(knob.key) && fixedDials[index].show(Math.max(knob.minimum, state[knob.key] ?? knob.default)));
  if (settled("normalise")) byId("normalise").checked = state.normalise;
  if (settled("oversample")) byId("oversample").value = String(state.oversample ?? 1);
  markLists(now, pending);
}

/** An answer may arrive after younger news. */
function takeAnswer(answer) {
  if (answer.revision >= state.revision) state = { ...state, ...answer };
}

async function pick(choice) {
  const kind = "model" in choice ? "model" : "cabinet";
  if (!state || chosen()[kind] === choice[kind]) return;
  lastPicked = kind;
  wanted = { ...wanted, ...choice };
  render();
  try {
    takeAnswer(await post("select", choice));
  } catch (error) {
    toast(error.message);
  }
  if (wanted[kind] === choice[kind]) delete wanted[kind]; // unless another was tapped meanwhile
  render();
}

function step(by) {
  if (stage.presets.length) {
    act("action", { action: by > 0 ? "next-preset" : "previous-preset" });
    return;
  }
  const { models } = library;
  if (!state || !models.length) return;
  const at = models.findIndex((item) => item.id === chosen().model);
  pick({ model: models[(at + by + models.length) % models.length].id });
}

async function act(path, body) {
  try {
    const answer = await post(path, body);
    if ("revision" in answer) {
      takeAnswer(answer);
      render();
    }
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

function banner(words) {
  const element = byId("banner");
  element.textContent = words;
  element.hidden = !words;
}

async function takeIn(files) {
  for (const file of files) {
    const entry = byId("uploads").appendChild(document.createElement("li"));
    const name = entry.appendChild(document.createElement("strong"));
    const words = entry.appendChild(document.createElement("span"));
    const bar = entry.appendChild(document.createElement("progress"));
    name.textContent = file.name;
    words.textContent = "Sending";
    bar.max = 1;
    bar.value = 0;
    try {
      const item = await upload(file, (share) => {
        bar.value = share;
        if (share >= 1) words.textContent = "The pedal is checking it";
      });
      words.textContent = `Added as ${item.name}`;
      entry.className = "done";
      setTimeout(() => entry.remove(), 8000);
    } catch (error) {
      words.textContent = error.message;
      entry.className = "refused";
      const close = entry.appendChild(document.createElement("button"));
      close.type = "button";
      close.textContent = "Close";
      close.addEventListener("click", () => entry.remove());
    }
    bar.remove();
  }
}

const openSheet = sheetOnPage(act);
const book = bookOnPage(act, toast);
const drawBank = bankOnPage(act, book.open);
const tuner = tunerOnPage(act);
const controls = controlsOnPage(toast);
const box = boxOnPage(toast);
const showMeters = metersOnPage();

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("normalise").addEventListener("change", (event) => touch("normalise", { normalise: event.target.checked }));
byId("oversample").addEventListener("change", (event) => touch("oversample", { oversample: Number(event.target.value) }));
byId("files").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = ""; // so that the same file can be chosen again
  takeIn(files);
});
byId("bypass").addEventListener("click", async () => {
  if (!state) return;
  const button = byId("bypass");
  const target = !(button.dataset.wanted ? button.dataset.wanted === "true" : state.bypass);
  button.dataset.wanted = String(target);
  render();
  try {
    takeAnswer(await post("set", { bypass: target }));
  } catch (error) {
    toast(error.message);
  }
  if (button.dataset.wanted === String(target)) delete button.dataset.wanted;
  render();
});

const listenButton = byId("listen");
if (listenButton) {
  const player = listening((mode, message) => {
    listenButton.dataset.mode = mode;
    listenButton.setAttribute("aria-pressed", String(mode !== "off"));
    byId("listen-word").textContent = { off: "Listen", waiting: "Connecting…", on: "Listening – tap to stop" }[mode];
    if (message) toast(message);
  });
  listenButton.addEventListener("click", () => player.toggle(meters.sample_rate_hz));
}

follow({
  state(news) {
    state = news;
    banner("");
    if (news.message && news.message !== told) toast(news.message);
    told = news.message;
    render();
  },
  library(news) {
    library = news;
    drawLists(library, pick, openSheet);
    render();
  },
  stage(news) {
    stage = news;
    render();
  },
  tuner(news) {
    tuner.reading(news);
  },
  meters(news) {
    const moved = news.generation !== meters.generation || news.failed_generation !== meters.failed_generation || news.audio !== meters.audio;
    meters = news;
    showMeters(news);
    if (!moved || !state) return;
    render();
  },
  away(news) {
    banner(box.lost() || news.message);
  },
  connection(there) {
    document.body.dataset.link = there ? "open" : "lost";
    banner(there ? "" : box.lost() || "No connection to the pedal. Trying again…");
  },
});
