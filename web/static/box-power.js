// Shut down and restart: a second tap confirms, and the page says when the plug may be pulled as far as it can know.

import { post } from "./link.js";

const byId = (id) => document.getElementById(id);
const SURE_MS = 4000; // so long a second tap confirms the first
const WORDS = {
  off: { ask: "Shut down", sure: "Tap again to shut down", now: "Shutting down: saving, then off.", gone: "It is off when the green light of the Pi has stopped blinking. Then the plug may be pulled." },
  restart: { ask: "Restart", sure: "Tap again to restart", now: "Restarting: saving, then the sound is back in a moment.", gone: "Restarting. This page comes back by itself." },
};

export function powerInBox(toast) {
  const buttons = { off: byId("shut-down"), restart: byId("restart") };
  const words = byId("box-power-words");
  let sure = null; // what the next tap confirms
  let timer = 0;
  let leaving = null; // what the box is doing, as it said last

  function draw() {
    for (const [what, button] of Object.entries(buttons)) {
      button.textContent = sure === what ? WORDS[what].sure : WORDS[what].ask;
      button.classList.toggle("danger", sure === what);
      button.disabled = leaving !== null;
    }
    words.textContent = leaving ? WORDS[leaving].now : "";
    words.hidden = !leaving;
  }

  function unsure() {
    clearTimeout(timer);
    sure = null;
    draw();
  }

  async function tap(what) {
    if (sure !== what) {
      sure = what;
      clearTimeout(timer);
      timer = setTimeout(unsure, SURE_MS);
      draw();
      return;
    }
    unsure();
    try {
      const state = await post("power", { do: what });
      leaving = state.leaving;
      draw();
    } catch (error) {
      toast(error.message);
    }
  }

  for (const [what, button] of Object.entries(buttons)) button.addEventListener("click", () => tap(what));

  return {
    open(box) {
      byId("box-power").hidden = !box.installed;
      byId("box-none").hidden = box.installed;
      byId("box-why").textContent = box.missing || "";
    },
    close: unsure,
    state(state) {
      leaving = state.leaving ?? null;
      draw();
    },
    lost: () => (leaving ? WORDS[leaving].gone : ""),
  };
}
