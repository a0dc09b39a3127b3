// One dial: drawn in SVG, turned by dragging (up and right is more), by keys, set to its default by a double tap.

import { knobWords } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const SWEEP_DEGREES = 270;
const DRAG_PIXELS = 190; // a thumb's comfortable way from one end to the other
const DOUBLE_TAP_MS = 320;
const TAP_PIXELS = 6;

let serial = 0;

const draw = (parent, tag, attributes) => {
  const node = parent.appendChild(document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

const point = (fraction, radius) => {
  const angle = ((fraction * SWEEP_DEGREES - SWEEP_DEGREES / 2 - 90) * Math.PI) / 180;
  return [50 + radius * Math.cos(angle), 50 + radius * Math.sin(angle)];
};

const arc = (from, to, radius) => {
  const [x0, y0] = point(from, radius);
  const [x1, y1] = point(to, radius);
  const large = (to - from) * SWEEP_DEGREES > 180 ? 1 : 0;
  return `M${x0.toFixed(2)} ${y0.toFixed(2)}A${radius} ${radius} 0 ${large} 1 ${x1.toFixed(2)} ${y1.toFixed(2)}`;
};

/** A dial for `knob` ({name, minimum, maximum, default, unit, heard}); `turned(value)` is called while it is turned. */
export class Dial {
  constructor(knob, turned) {
    this.knob = knob;
    this.turned = turned;
    this.value = knob.default;
    this.held = false;
    this.element = document.createElement("div");
    this.element.className = "dial";
    this.element.dataset.knob = knob.name;
    const id = `dial-${++serial}`;
    this.face = this.element.appendChild(document.createElement("div"));
    this.face.className = "dial-face";
    this.label = this.element.appendChild(document.createElement("span"));
    this.label.className = "dial-name";
    this.label.id = id;
    this.label.textContent = knob.name;
    this.reading = this.element.appendChild(document.createElement("output"));
    this.reading.className = "dial-value";
    const face = this.face;
    face.tabIndex = 0;
    face.setAttribute("role", "slider");
    face.setAttribute("aria-labelledby", id);
    face.setAttribute("aria-valuemin", knob.minimum);
    face.setAttribute("aria-valuemax", knob.maximum);
    this.#draw();
    face.addEventListener("pointerdown", (event) => this.#grab(event));
    face.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      face.addEventListener(end, (event) => this.#release(event));
    face.addEventListener("keydown", (event) => this.#key(event));
    this.show(this.value);
  }

  /** Show a value that came from the pedal; ignored while a finger holds the dial. */
  show(value) {
    if (this.held) return;
    this.value = value;
    this.#refresh();
  }

  #draw() {
    const { knob } = this;
    const svg = this.face.appendChild(document.createElementNS(SVG, "svg"));
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("aria-hidden", "true");
    for (let i = 0; i <= 10; i++) {
      const [x0, y0] = point(i / 10, i % 5 ? 43.5 : 42.5);
      const [x1, y1] = point(i / 10, 47.5);
      draw(svg, "path", { class: i % 5 ? "tick" : "tick tick-main", d: `M${x0} ${y0}L${x1} ${y1}` });
    }
    draw(svg, "path", { class: "track", d: arc(0, 1, 38) });
    this.trail = draw(svg, "path", { class: "trail" });
    draw(svg, "circle", { class: "skirt", cx: 50, cy: 50, r: 32 });
    this.pointer = draw(svg, "g", { class: "pointer" });
    draw(this.pointer, "circle", { class: "knurl", cx: 50, cy: 50, r: 29.5 });
    draw(this.pointer, "circle", { class: "crown", cx: 50, cy: 50, r: 24.5 });
    draw(this.pointer, "path", { class: "line", d: "M50 21.5V38" });
    draw(svg, "path", { class: "shine", d: "M31 43A20.5 20.5 0 0 1 69 43" });
    for (const position of knob.heard || []) {
      const [cx, cy] = point(this.#fraction(position), 38);
      draw(svg, "circle", { class: "heard", cx, cy, r: 2.4 });
    }
  }

  #fraction(value) {
    return Math.min(1, Math.max(0, (value - this.knob.minimum) / (this.knob.maximum - this.knob.minimum)));
  }

  #refresh() {
    const fraction = this.#fraction(this.value);
    const origin = this.knob.minimum < 0 && this.knob.maximum > 0 ? this.#fraction(0) : 0;
    const [from, to] = fraction < origin ? [fraction, origin] : [origin, fraction];
    this.trail.setAttribute("d", to - from > 0.002 ? arc(from, to, 38) : "");
    this.pointer.setAttribute("transform", `rotate(${(fraction - 0.5) * SWEEP_DEGREES} 50 50)`);
    const words = knobWords(this.knob, this.value);
    this.reading.textContent = words;
    this.face.setAttribute("aria-valuenow", this.value.toFixed(3));
    this.face.setAttribute("aria-valuetext", words);
  }

  #turn(value) {
    const { minimum, maximum } = this.knob;
    const limited = Math.min(maximum, Math.max(minimum, value));
    if (limited === this.value) return;
    this.value = limited;
    this.#refresh();
    this.turned(limited);
  }

  #grab(event) {
    if (event.button > 0) return;
    event.preventDefault();
    this.face.focus({ preventScroll: true });
    this.face.setPointerCapture(event.pointerId);
    this.held = true;
    this.element.classList.add("held");
    this.start = { x: event.clientX, y: event.clientY, value: this.value, moved: false };
  }

  #drag(event) {
    if (!this.held) return;
    const way = event.clientX - this.start.x - (event.clientY - this.start.y);
    if (!this.start.moved && Math.abs(way) < TAP_PIXELS) return;
    if (!this.start.moved) {
      this.start.moved = true;
      this.start.x = event.clientX; // the slack of a tap isn't part of the turn
      this.start.y = event.clientY;
      return;
    }
    this.#turn(this.start.value + (way / DRAG_PIXELS) * (this.knob.maximum - this.knob.minimum));
  }

  #release(event) {
    if (!this.held) return;
    this.held = false;
    this.element.classList.remove("held");
    if (event.type !== "pointerup" || this.start.moved) return;
    if (event.timeStamp - (this.tappedAt ?? -Infinity) < DOUBLE_TAP_MS) {
      this.tappedAt = undefined;
      this.#turn(this.knob.default);
    } else {
      this.tappedAt = event.timeStamp;
    }
  }

  #key(event) {
    const { minimum, maximum } = this.knob;
    const step = this.knob.step || (maximum - minimum) / 100;
    const moves = { ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step, PageUp: 10 * step, PageDown: -10 * step };
    if (event.key in moves) this.#turn(this.value + moves[event.key]);
    else if (event.key === "Home") this.#turn(minimum);
    else if (event.key === "End") this.#turn(maximum);
    else if (event.key === "Delete" || event.key === "Backspace") this.#turn(this.knob.default);
    else return;
    event.preventDefault();
  }
}
