// Numbers and items in words.

/** A knob's value as a player reads it: 0…1 without a unit is marked 0…10, as on an amp. */
export function knobWords(knob, value) {
  if (knob.words) return knob.words(value);
  if (!knob.unit && knob.minimum === 0 && knob.maximum === 1) return (value * 10).toFixed(1);
  const digits = knob.maximum - knob.minimum > 50 ? 0 : knob.maximum - knob.minimum > 5 ? 1 : 2;
  return value.toFixed(digits) + (knob.unit ? ` ${knob.unit}` : "");
}

/** Signed decibels with a real minus sign. */
export function decibels(value) {
  const rounded = Math.round(value * 10) / 10;
  return `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}${Math.abs(rounded).toFixed(1)} dB`;
}

/** 44100 → "44.1 kHz". */
export function kilohertz(rate) {
  return `${+(rate / 1000).toFixed(2)} kHz`;
}

/** One line under a model's name. */
export function modelWords(model) {
  return [model.architecture, kilohertz(model.sample_rate_hz)].filter(Boolean).join(" · ");
}

/** One line under a cabinet's name. */
export function cabinetWords(cabinet) {
  const length = `${Math.round((1000 * cabinet.frames) / cabinet.sample_rate_hz)} ms`;
  return [length, kilohertz(cabinet.sample_rate_hz), cabinet.channels > 1 ? `${cabinet.channels} channels` : ""]
    .filter(Boolean)
    .join(" · ");
}

/** Knob names of a model, for its line in the list. */
export function knobNames(model) {
  return (model.knobs || []).map((knob) => knob.name).join(" · ");
}

/** What a model is estimated to take of each Raspberry Pi, in one line; "" where nothing is told. */
export function piWords(model) {
  const boards = (model.pi_estimates || []).map(({ board, share, period_frames }) =>
    `${board}: ${period_frames ? `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %` : "too much"}`
  );
  return boards.length ? `${boards.join(" · ")} (estimate)` : "";
}

/** 0.514 → "51 %". */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

const ACTIONS = {
  "next-preset": "Next preset", "previous-preset": "Previous preset", "bank-up": "Next bank", "bank-down": "Bank before",
  "bypass": "Bypass", "boost": "Boost", "tuner": "Tuner", "compare": "As saved", "morph": "Morph between scenes",
  "shutdown": "Shut down (held for 3 s)", "restart": "Restart (held for 3 s)", "safe-mode": "Safe mode",
};
const STYLES = { "momentary": " while held", "tap-or-hold": ", tap or hold" };

/** An action of panel/actions.py as a player reads it. */
export function actionWords(text) {
  const [first, ...rest] = text.split(" ");
  if (first === "knob") return rest.join(" ");
  const style = STYLES[rest[rest.length - 1]] || "";
  const more = (style ? rest.slice(0, -1) : rest).join(" ");
  return (ACTIONS[first] || first.charAt(0).toUpperCase() + first.slice(1).replaceAll("-", " ")) + (more && ` ${more}`) + style;
}

/** "cc 11" → "CC 11". */
export function messageWords(message) {
  return message.startsWith("cc ") ? message.toUpperCase() : message.charAt(0).toUpperCase() + message.slice(1);
}
