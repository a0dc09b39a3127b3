// The view of the box itself. Each part is a module of its own with a <section> in the view.

import { ask } from "./link.js";
import { networkInBox } from "./box-network.js";
import { powerInBox } from "./box-power.js";
import { updateInBox } from "./box-update.js";

const byId = (id) => document.getElementById(id);
// What a part is: part(toast) → { open(box), close() }, both optional. `box`: the answer of /api/box.
const PARTS = [powerInBox, networkInBox, updateInBox];

/** `toast(words)` tells. Returns {state(state), lost()}: words for the banner while the line is gone, if we know why. */
export function boxOnPage(toast) {
  const view = byId("box");
  const parts = PARTS.map((part) => part(toast));

  async function open() {
    view.showModal();
    view.scrollTop = 0;
    byId("box-error").hidden = true;
    try {
      const box = await ask("box");
      if (view.open) for (const part of parts) part.open?.(box);
    } catch (error) {
      byId("box-error").textContent = error.message;
      byId("box-error").hidden = false;
    }
  }

  byId("open-box").addEventListener("click", open);
  view.addEventListener("close", () => parts.forEach((part) => part.close?.()));
  view.addEventListener("click", (event) => event.target === view && view.close());

  return {
    state: (state) => parts.forEach((part) => part.state?.(state)),
    lost: () => parts.map((part) => part.lost?.()).find(Boolean) || "",
  };
}
