// Level meters, clip lamps and the line about the pedal's health.

import { kilohertz } from "./words.js";

const FLOOR_DB = -60;
const CLIP_DB = -1; // the pedal's peak falls 20 dB/s and is looked at 15 times a second: a clip reads as -1.3…0
const LIMITING_DB = -0.5;
const HOLD_MS = 1200;

const AUDIO_WORDS = {
  starting: "Starting",
  playing: "Playing",
  recovering: "Recovering from a dropout",
  no_device: "Sound card missing",
  stopped: "Stopped",
  absent: "No sound: the audio process isn’t running",
};

const height = (db) => Math.min(1, Math.max(0, 1 - db / FLOOR_DB));

class Ladder {
  constructor(element) {
    this.element = element;
    this.rms = element.querySelector(".rms");
    this.peak = element.querySelector(".peak");
    this.lamp = element.querySelector(".lamp-clip");
    this.reading = element.querySelector(".reading");
    this.litUntil = 0;
    this.held = FLOOR_DB;
    this.heldUntil = 0;
  }

  show(peak_db, rms_db, alarm) {
    const now = performance.now();
    if (alarm) this.litUntil = now + HOLD_MS;
    if (peak_db >= this.held || now > this.heldUntil) {
      this.held = peak_db;
      this.heldUntil = now + HOLD_MS;
    }
    this.lamp.classList.toggle("lit", now < this.litUntil);
    this.rms.style.clipPath = `inset(${((1 - height(rms_db)) * 100).toFixed(1)}% 0 0 0)`;
    this.peak.style.transform = `translateY(${((1 - height(peak_db)) * 100).toFixed(1)}%)`;
    this.peak.style.opacity = peak_db > FLOOR_DB ? 1 : 0;
    const words = this.held > FLOOR_DB ? Math.round(this.held).toString().replace("-", "−") : "–";
    if (this.reading.textContent !== words) {
      this.reading.textContent = words;
      this.element.setAttribute("aria-valuenow", Math.max(FLOOR_DB, Math.round(this.held)));
      this.element.setAttribute("aria-valuetext", this.held > FLOOR_DB ? `${words} decibels` : "silent");
    }
  }
}

const byId = (id) => document.getElementById(id);

const say = (element, words) => {
  if (element.textContent !== words) element.textContent = words;
};

/** Build the meters over the page's elements; returns `show(meters)`. */
export function metersOnPage() {
  const input = new Ladder(byId("meter-input"));
  const output = new Ladder(byId("meter-output"));
  const line = byId("health");
  return (meters) => {
    const absent = meters.audio === "absent";
    const level = (name) => (absent ? -120 : meters[name]);
    input.show(level("input_peak_db"), level("input_rms_db"), !absent && meters.input_peak_db >= CLIP_DB);
    output.show(level("output_peak_db"), level("output_rms_db"), !absent && meters.limiter_db <= LIMITING_DB);
    line.dataset.audio = meters.audio;
    const card = absent || meters.audio !== "playing" ? "" : ` · ${kilohertz(meters.sample_rate_hz)} · ${meters.period_frames} frames`;
    say(byId("health-state"), (AUDIO_WORDS[meters.audio] || meters.audio) + card);
    say(byId("health-load"), absent || meters.load_percent === null ? "" : `Load ${Math.round(meters.load_percent)} %`);
    line.classList.toggle("busy", !absent && meters.load_percent > 80);
    const faults = [];
    if (meters.xruns) faults.push(`${meters.xruns} dropout${meters.xruns > 1 ? "s" : ""}`);
    if (meters.late_periods) faults.push(`${meters.late_periods} late`);
    say(byId("health-faults"), faults.join(" · "));
  };
}
