// Teaching MIDI: choose what it should do, move a controller, done.

import { actionWords, messageWords } from "./words.js";

const byId = (id) => document.getElementById(id);
const SWITCHES = ["bypass", "boost", "boost momentary", "tuner", "compare"];
const PRESETS = ["next-preset", "previous-preset", "bank-up", "bank-down"];
const KNOBS = ["Gain", "Bass", "Middle", "Treble", "Level", "Input gain", "Gate"];
const upTo = (word, count) => Array.from({ length: count }, (_, index) => `${word} ${index + 1}`);

/** `change(path, body)` does a request. Returns {draw(report), state(state, model, preset), leave()}. */
export function midiOnPage(change) {
  const choice = byId("midi-action");
  let waiting = false; // this phone asked to learn
  let wanted = ""; // what, until it is learned
  let drawnFor = "";
  let listed = "";

  byId("midi-learn").addEventListener("click", () => {
    waiting = true;
    wanted = choice.value;
    byId("midi-done").hidden = true;
    change("learn", { action: wanted });
  });
  byId("midi-cancel").addEventListener("click", () => {
    waiting = true; // or another phone does: whoever sees it may end it
    leave();
  });

  function leave() {
    if (waiting) change("learn", { action: null });
    waiting = false;
    wanted = "";
    byId("midi-done").hidden = true;
  }

  function deviceWords(report) {
    if (!report.readable) return "MIDI is not read here. On the pedal it is, unless appliance.toml switches it off.";
    if (!report.devices.length) return "No MIDI device found. Plug one in by USB: it is there within a second.";
    const [, message, value, channel] = /^(\w+ \d+) = ([\d.]+) \(channel (\d+)\)$/.exec(report.last || "") || [];
    const last = message ? `last: ${messageWords(message)} at ${Math.round(100 * value)} %, channel ${channel}` : "nothing came yet";
    return `${report.devices.length > 1 ? `${report.devices.length} devices` : "One device"} (${report.devices.join(", ")}), ${last}.`;
  }

  function drawList(report) {
    const key = JSON.stringify([report.bindings, report.learnt]);
    if (key === listed) return;
    listed = key;
    const list = byId("midi-list");
    list.replaceChildren();
    for (const [message, action] of Object.entries(report.bindings)) {
      const row = list.appendChild(document.createElement("li"));
      row.className = "bound";
      const words = row.appendChild(document.createElement("div"));
      const name = words.appendChild(document.createElement("strong"));
      name.textContent = messageWords(message);
      const does = words.appendChild(document.createElement("span"));
      does.textContent = actionWords(action);
      if (report.learnt.includes(message)) {
        const remove = row.appendChild(document.createElement("button"));
        remove.type = "button";
        remove.textContent = "Remove";
        remove.setAttribute("aria-label", `Remove ${messageWords(message)}`);
        remove.addEventListener("click", () => change("unlearn", { message }));
      } else does.textContent += " (appliance.toml)";
    }
  }

  return {
    leave,
    draw(report) {
      const text = deviceWords(report);
      if (byId("midi-state").textContent !== text) byId("midi-state").textContent = text;
      byId("midi-wait").hidden = !report.learning;
      byId("midi-begin").hidden = Boolean(report.learning) || !report.readable;
      if (report.learning) byId("midi-what").textContent = actionWords(report.learning);
      else if (waiting) {
        const learned = report.learnt.find((message) => report.bindings[message] === wanted);
        byId("midi-done").hidden = false;
        byId("midi-done").textContent = learned
          ? `Learned: ${messageWords(learned)} → ${actionWords(wanted)}.`
          : "Nothing came, so nothing was learned. Is the device plugged in? Try again.";
        byId("midi-done").classList.toggle("go", Boolean(learned));
        waiting = false;
      }
      drawList(report);
    },
    state(state, model, preset) {
      const own = ((model && model.knobs) || []).map((knob) => knob.name);
      const plain = KNOBS.filter((name) => !own.some((known) => known.toLowerCase() === name.toLowerCase()));
      const groups = [
        ["Knobs", [...own, ...plain].map((name) => `knob ${name}`)],
        ["On and off", SWITCHES],
        ["Presets", [...PRESETS, ...upTo("preset", state.bank_size || 3)]],
        ["Scenes", ["morph", ...upTo("scene", Math.max(2, preset ? preset.scenes.length : 0))]],
      ];
      const key = JSON.stringify(groups);
      if (key === drawnFor) return;
      drawnFor = key;
      const kept = choice.value;
      choice.replaceChildren();
      for (const [label, actions] of groups) {
        const group = choice.appendChild(document.createElement("optgroup"));
        group.label = label;
        for (const action of actions) {
          const option = group.appendChild(document.createElement("option"));
          option.value = action;
          option.textContent = actionWords(action);
        }
      }
      if (groups.some(([, actions]) => actions.includes(kept))) choice.value = kept;
    },
  };
}
