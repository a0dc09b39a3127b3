// Pots, pedals and switches as they are now; teaching a pot its ends. MIDI is midi.js.

import { ask, post } from "./link.js";
import { midiOnPage } from "./midi.js";
import { actionWords, percent } from "./words.js";

const byId = (id) => document.getElementById(id);
const QUICK_MS = 120; // between looks while something moves; each look waits for the answer to the one before
const CALM_MS = 500;
const NONE_MS = 3000; // where there is nothing to look at

const make = (parent, tag, className, text) => {
  const node = parent.appendChild(document.createElement(tag));
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // never markup: names come from people
  if (tag === "button") node.type = "button";
  return node;
};
const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
};
const bar = (node, from, to) => {
  node.style.left = `${100 * from}%`;
  node.style.width = `${100 * Math.max(0, to - from)}%`;
};
const places = (value) => value.toFixed(2);

/** One pot or pedal. `teach(step)` asks for a step of learning. Returns its `draw(report)`. */
function potCard(list, name, teach) {
  const card = make(list, "li", "pot");
  card.dataset.pot = name;
  const head = make(card, "div", "pot-head");
  make(head, "strong", "", name);
  const does = make(head, "span", "pot-does");
  const meter = make(card, "div", "pot-bar");
  meter.setAttribute("role", "meter");
  meter.setAttribute("aria-label", name);
  const fill = make(meter, "i");
  const needle = make(meter, "b");
  const values = make(card, "p", "pot-values");
  const fault = make(card, "p", "pot-fault");
  const walk = make(card, "div", "pot-walk");
  const steps = make(walk, "ol");
  const low = make(steps, "li");
  const high = make(steps, "li");
  const ways = make(walk, "div", "row-actions");
  make(ways, "button", "primary", "Done").addEventListener("click", () => teach("end"));
  make(ways, "button", "", "Cancel").addEventListener("click", () => teach("cancel"));
  const outcome = make(card, "p", "pot-outcome");
  outcome.setAttribute("role", "status");
  const actions = make(card, "div", "row-actions");
  const begin = make(actions, "button", "", "Calibrate");
  begin.setAttribute("aria-label", `Calibrate ${name}`);
  begin.addEventListener("click", () => teach("walk"));
  const forget = make(actions, "button", "", "Forget");
  forget.setAttribute("aria-label", `Forget the ends of ${name}`);
  forget.addEventListener("click", () => teach("forget"));

  return (pot) => {
    const read = pot.raw != null;
    const seen = pot.seen || [0, 0];
    card.classList.toggle("learning", pot.learning);
    put(does, pot.turns ? `turns ${pot.turns}` : `nothing in this sound: ${pot.bound.map(actionWords).join(", ")}`);
    does.classList.toggle("idle", !pot.turns);
    walk.hidden = !pot.learning;
    actions.hidden = pot.learning;
    forget.hidden = !pot.learnt;
    const at = pot.learning ? pot.raw : pot.position;
    meter.setAttribute("aria-valuenow", String(at == null ? 0 : Math.round(100 * at)));
    bar(fill, pot.learning ? seen[0] : 0, pot.learning ? seen[1] : pot.position || 0);
    needle.hidden = at == null;
    needle.style.left = `${100 * (at || 0)}%`;
    put(low, pot.pedal ? "Rock it all the way back (heel down)." : "Turn it all the way down.");
    put(high, pot.pedal ? "Then all the way forward (toe down)." : "Then turn it all the way up.");
    const ends = `${pot.learnt ? "learned" : "ends"} ${places(pot.low)}–${places(pot.high)}`;
    const found = pot.seen ? `found so far ${places(seen[0])}–${places(seen[1])}` : "not moved yet";
    const reads = read ? `reads ${pot.raw.toFixed(3)}` : "reads nothing";
    const stand = pot.position == null ? "" : percent(pot.position);
    put(values, pot.learning ? `${reads} · ${found}` : [stand, reads, ends].filter(Boolean).join(" · "));
    const waits = pot.waiting && pot.stands_at != null ? `Waits until it passes ${percent(pot.stands_at)}, where the sound stands.` : "";
    put(fault, pot.fault ? `${pot.fault} Its last position stays.` : waits);
    put(outcome, pot.learning ? "" : {
      "learnt": `Learned: it goes from ${places(pot.low)} to ${places(pot.high)}.`,
      "too little": "It hardly moved, so nothing was changed. Is it plugged in? Try again.",
    }[pot.outcome] || "");
    outcome.classList.toggle("go", pot.outcome === "learnt");
  };
}

/** A row of the switches. Returns its `draw(on, does, last)`. */
function footRow(list, name) {
  const row = make(list, "li", "foot");
  make(row, "i", "pilot");
  const words = make(row, "div");
  make(words, "strong", "", name.replace("+", " + "));
  const does = make(words, "span", "foot-does");
  const last = make(row, "span", "foot-last");
  return (on, text, happened) => {
    row.classList.toggle("chosen", on);
    put(does, text);
    put(last, happened || "");
  };
}

const GESTURES = { press: "Press", tap: "Tap", hold: "Hold", double: "Twice", chord: "Together", "let-go": "Held at power-on" };
const boundWords = (bound) =>
  (bound || []).map((one) => `${GESTURES[one.gesture]}: ${actionWords(one.action)}${one.own ? " (this preset)" : ""}`).join(" · ");

/** The view of the controls. `toast(words)` tells. Returns {state(state, model, preset)}. */
export function controlsOnPage(toast) {
  const view = byId("controls");
  const midi = midiOnPage((path, body) => change(path, body));
  const pots = new Map();
  const feet = new Map();
  let taught = null; // the pot that this phone is teaching
  let timer = 0;
  let asked = 0; // answers to older requests are not drawn
  let changing = 0; // no look meanwhile: it might see how things were before
  let before = "";
  let pause = QUICK_MS;

  function rows(map, list, names, build) {
    if ([...map.keys()].join("\n") === names.join("\n")) return;
    map.clear();
    list.replaceChildren();
    for (const name of names) map.set(name, build(list, name));
  }

  function draw(report) {
    const turned = Object.keys(report.turned_by);
    const others = Object.keys(report.bound).filter((name) => name.includes("+"));
    byId("controls-none").hidden = !report.missing;
    put(byId("controls-why"), report.missing || "");
    const faults = Object.values(report.pots).map((pot) => pot.fault).filter(Boolean);
    const stuck = Object.entries(report.switches).filter(([, foot]) => foot.stuck).map(([name]) => `Switch ${name} `);
    const shown = [...faults, ...stuck]; // at the control itself
    const told = report.notes.filter((words) => !shown.some((part) => words.includes(part)));
    const notes = byId("controls-notes");
    if (notes.dataset.words !== told.join("\n")) {
      notes.dataset.words = told.join("\n");
      notes.replaceChildren();
      for (const words of told) make(notes, "li", "", words);
    }
    rows(pots, byId("pots"), Object.keys(report.pots), (list, name) => potCard(list, name, (step) => {
      taught = step === "walk" ? name : null;
      change("calibrate", { pot: name, step });
    }));
    for (const [name, drawPot] of pots) drawPot(report.pots[name]);
    rows(feet, byId("feet"), [...Object.keys(report.switches), ...others, ...turned.map((name) => `${name} `)], footRow);
    for (const [key, drawFoot] of feet) {
      const name = key.trimEnd(); // an encoder may be named as a switch is: it is its push
      const foot = report.switches[name];
      const knob = report.turned_by[name];
      if (key !== name) drawFoot(false, knob.turns ? `Turns ${knob.turns}` : "Turns nothing in this sound", knob.stands_at == null ? "" : percent(knob.stands_at));
      else if (foot) drawFoot(foot.down, foot.stuck ? "Held down since the start, or its wire is shorted: ignored until let go" : boundWords(report.bound[name]) || "Bound to nothing", foot.down ? "down" : foot.last && `last: ${foot.last}`);
      else drawFoot(false, boundWords(report.bound[name]), report.chords[name] ? "last: together" : "");
    }
    byId("pots-title").hidden = !pots.size;
    byId("feet-title").hidden = !feet.size;
    byId("midi").hidden = false;
    midi.draw(report.midi);
  }

  function drawNone(why) {
    byId("controls-none").hidden = false;
    put(byId("controls-why"), why);
    for (const id of ["pots-title", "feet-title", "midi"]) byId(id).hidden = true;
    for (const [map, id] of [[pots, "pots"], [feet, "feet"]]) rows(map, byId(id), [], null);
    byId("controls-notes").replaceChildren();
    delete byId("controls-notes").dataset.words;
  }

  /** What is worth a quicker look: everything but the noise of the converter. */
  const gist = (report) =>
    JSON.stringify({ ...report, pots: Object.values(report.pots).map((pot) => [Math.round(100 * (pot.raw ?? -1)), pot.learning]) });

  async function look() {
    clearTimeout(timer);
    if (!view.open) return;
    if (document.visibilityState === "visible" && !changing) {
      const number = (asked += 1);
      try {
        const report = await ask("controls");
        if (number === asked) draw(report);
        const now = gist(report);
        pause = now === before ? Math.min(CALM_MS, pause * 1.4) : QUICK_MS;
        before = now;
        put(byId("controls-error"), "");
      } catch (error) {
        const none = error.status === 404;
        if (none) drawNone(error.message);
        put(byId("controls-error"), none ? "" : error.message);
        pause = none ? NONE_MS : 2 * CALM_MS;
      }
    }
    clearTimeout(timer); // another look may have begun meanwhile
    timer = setTimeout(look, pause);
  }

  async function change(path, body) {
    const number = (asked += 1);
    pause = QUICK_MS;
    changing += 1;
    try {
      const report = await post(path, body);
      if (number === asked && view.open) draw(report);
    } catch (error) {
      toast(error.message);
    }
    changing -= 1;
  }

  byId("open-controls").addEventListener("click", () => {
    view.showModal();
    view.scrollTop = 0;
    pause = QUICK_MS;
    look();
  });
  view.addEventListener("close", () => {
    if (taught !== null) change("calibrate", { pot: taught, step: "cancel" });
    taught = null;
    midi.leave();
  });
  view.addEventListener("click", (event) => event.target === view && view.close());
  document.addEventListener("visibilitychange", look);

  return { state: midi.state };
}
