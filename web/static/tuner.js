// The tuner: dark, one large needle, to be read from two metres.

const byId = (id) => document.getElementById(id);

const TUNINGS = [
  ["standard", "Standard"], ["drop-d", "Drop D"], ["half-step-down", "Half step down"], ["drop-c-sharp", "Drop C♯"],
  ["whole-step-down", "Whole step down"], ["drop-c", "Drop C"], ["drop-b", "Drop B"], ["drop-a", "Drop A"],
  ["dadgad", "DADGAD"], ["open-g", "Open G"], ["seven-string", "Seven strings"], ["bass", "Bass"],
  ["bass-drop-d", "Bass drop D"], ["bass-five", "Bass, five strings"], ["chromatic", "Chromatic"],
];
const WORDS = { silent: "Play a string", flat: "Flat: tune up", in_tune: "In tune", sharp: "Sharp: tune down" };
const LINEAR_CENTS = 50; // the scale's ends

/** `act(path, body)` does a request. Returns {state(state), reading(reading)}. */
export function tunerOnPage(act) {
  const view = byId("tuner-view");
  const tuning = byId("tuning");
  let closing = false;
  for (const [key, name] of TUNINGS) {
    const option = tuning.appendChild(document.createElement("option"));
    option.value = key;
    option.textContent = name;
  }
  const scale = byId("tuner-scale");
  for (let cents = -50; cents <= 50; cents += 5) {
    const tick = scale.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "line"));
    const main = cents % 25 === 0;
    tick.setAttribute("x1", 150);
    tick.setAttribute("x2", 150);
    tick.setAttribute("y1", 12);
    tick.setAttribute("y2", main ? 34 : 24);
    tick.setAttribute("class", cents === 0 ? "tick-zero" : "tick-cents");
    tick.setAttribute("transform", `rotate(${cents * 1.1} 150 190)`);
  }
  byId("tuner").addEventListener("click", () => act("tuner", { on: true }));
  const end = () => {
    closing = true;
    view.close();
    act("tuner", { on: false }).then(() => { closing = false; });
  };
  byId("tuner-close").addEventListener("click", end);
  view.addEventListener("cancel", (event) => {
    event.preventDefault();
    end();
  });
  tuning.addEventListener("change", () => act("set", { tuner_tuning: tuning.value }));
  byId("tuner-mutes").addEventListener("change", (event) => act("set", { tuner_mutes: event.target.checked }));
  let referenceHz = 440;
  for (const [id, by] of [["reference-down", -1], ["reference-up", 1]]) {
    byId(id).addEventListener("click", () => act("set", { tuner_reference_hz: referenceHz + by }));
  }

  const show = (reading) => {
    view.dataset.state = reading.state;
    byId("tuner-note").textContent = reading.note ? reading.note.replace(/-?\d+$/, "") : "–";
    byId("tuner-octave").textContent = reading.note ? reading.note.match(/-?\d+$/)[0] : "";
    byId("tuner-words").textContent = WORDS[reading.state];
    const cents = Math.round(reading.cents);
    byId("tuner-cents").textContent = reading.note
      ? `${cents > 0 ? "+" : cents < 0 ? "−" : ""}${Math.abs(cents)} cents · ${reading.frequency_hz.toFixed(1)} Hz` : "";
    byId("tuner-string").textContent = reading.string ? `String ${reading.string}` : "";
    const turn = Math.max(-LINEAR_CENTS, Math.min(LINEAR_CENTS, reading.cents)) * 1.1;
    byId("tuner-needle").style.transform = `rotate(${reading.note ? turn : -LINEAR_CENTS * 1.1}deg)`;
  };
  show({ state: "silent", note: "", cents: 0, frequency_hz: 0, string: null });

  return {
    reading: show,
    state(state) {
      if (state.tuner && !view.open && !closing) view.showModal();
      if (!state.tuner && view.open) view.close();
      tuning.value = state.tuner_tuning || "standard";
      referenceHz = state.tuner_reference_hz ?? 440;
      byId("reference").textContent = `A ${referenceHz.toFixed(0)} Hz`;
      byId("tuner-mutes").checked = state.tuner_mutes ?? true;
    },
  };
}
