// What is under the thumb on stage: the presets of the bank, boost, compare, scenes, save.

const byId = (id) => document.getElementById(id);

const button = (parent, className, text, act) => {
  const node = parent.appendChild(document.createElement("button"));
  node.type = "button";
  node.className = className;
  node.textContent = text; // never markup: names come from people
  node.addEventListener("click", act);
  return node;
};

/** The presets in the order that next and previous go: tonight's list, else the banks. */
export function orderOf(state, stage) {
  const byIdentity = new Map(stage.presets.map((preset) => [preset.id, preset]));
  const tonight = stage.setlists.find((list) => list.id === state.tonight);
  const listed = tonight ? tonight.presets.map((id) => byIdentity.get(id)).filter(Boolean) : [];
  return { name: listed.length ? tonight.name : "", presets: listed.length ? listed : stage.presets };
}

/** Where in the order the present preset stands; -1: none of it plays. */
export function placeOf(state, order) {
  if (state.place != null && order[state.place] && order[state.place].id === state.preset) return state.place;
  return order.findIndex((preset) => preset.id === state.preset);
}

/** The bank on the page. `act(path, body)` does a request. Returns `draw(state, stage)`. */
export function bankOnPage(act, openBook) {
  let shown = null; // a bank that was leafed to, until another preset plays
  let drawnFor = "";
  let last = null;

  const leaf = (by) => {
    if (!last) return;
    const { banks, bank } = last;
    shown = (bank + by + banks) % banks;
    draw(last.state, last.stage);
  };
  byId("bank-back").addEventListener("click", () => leaf(-1));
  byId("bank-on").addEventListener("click", () => leaf(1));
  byId("save").addEventListener("click", () => act("preset_store", {}));
  byId("save-as").addEventListener("click", () => openBook("new"));
  byId("manage").addEventListener("click", () => openBook());
  byId("boost").addEventListener("click", () => act("action", { action: "boost" }));
  byId("compare").addEventListener("click", () => act("action", { action: "compare" }));

  function draw(state, stage) {
    const order = orderOf(state, stage);
    const size = state.bank_size || 3;
    const place = placeOf(state, order.presets);
    const at = `${state.preset} ${place} ${state.tonight}`;
    if (at !== drawnFor) shown = null;
    drawnFor = at;
    const banks = Math.max(1, Math.ceil(order.presets.length / size));
    const bank = Math.min(shown ?? Math.floor(Math.max(0, place) / size), banks - 1);
    last = { state, stage, banks, bank };

    byId("bank-name").textContent = `${order.name || "Bank"} ${bank + 1}${banks > 1 ? `/${banks}` : ""}`;
    for (const id of ["bank-back", "bank-on"]) byId(id).disabled = banks < 2;
    const tiles = byId("tiles");
    tiles.dataset.size = Math.min(size, 3);
    tiles.replaceChildren();
    for (let index = bank * size; index < Math.min((bank + 1) * size, order.presets.length); index += 1) {
      const preset = order.presets[index];
      const tile = button(tiles, "tile", "", () => act("preset_recall", { preset: preset.id, place: index }));
      tile.dataset.id = preset.id;
      const number = tile.appendChild(document.createElement("span"));
      number.className = "tile-number";
      number.textContent = index - bank * size + 1;
      const name = tile.appendChild(document.createElement("strong"));
      name.textContent = preset.name;
      if (preset.name.length > 14) name.className = "long";
      const on = index === place;
      tile.classList.toggle("chosen", on);
      tile.setAttribute("aria-pressed", String(on));
    }
    if (!order.presets.length) {
      const hint = tiles.appendChild(document.createElement("p"));
      hint.className = "empty";
      hint.textContent = "No presets yet. Find a sound, then save it as one.";
    }

    const preset = stage.presets.find((entry) => entry.id === state.preset);
    byId("save").hidden = !preset || !state.edited;
    byId("compare").hidden = !preset || (!state.edited && !state.compare);
    for (const id of ["boost", "compare"]) byId(id).setAttribute("aria-pressed", String(Boolean(state[id])));
    byId("boost").textContent = `Boost ${state.boost_db > 0 ? "+" : ""}${state.boost_db ?? 0} dB`.replace("-", "−");
    const scenes = byId("scenes");
    scenes.replaceChildren();
    (preset ? preset.scenes : []).forEach((scene, index) => {
      const chip = button(scenes, "chip", scene.name, () => act("action", { action: `scene ${index + 1}` }));
      chip.setAttribute("aria-pressed", String(state.scene === index + 1));
    });
    if (preset && Object.keys(state.knobs || {}).length && preset.scenes.length < 8) {
      const add = button(scenes, "chip add-scene", "+ Scene", () => act("scene_store", { number: preset.scenes.length + 1 }));
      add.setAttribute("aria-label", "Keep the knobs as they stand as a scene of this preset");
    }
  }
  return draw;
}
