// The book of presets: order, names, set lists, pre-flight, the riff that loudness is measured by.

import { post } from "./link.js";

const byId = (id) => document.getElementById(id);

const make = (parent, tag, className, text) => {
  const node = parent.appendChild(document.createElement(tag));
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // never markup: names come from people
  return node;
};
const press = (parent, className, text, label, act) => {
  const node = make(parent, "button", className, text);
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  node.addEventListener("click", act);
  return node;
};

/** A list whose entries go up and down. `move(from, to)`. */
function entryRow(list, name, index, count, move, more) {
  const row = make(list, "li", "row");
  const words = press(row, "row-name", name, "", more);
  const up = press(row, "row-move", "↑", `${name} further up`, () => move(index, index - 1));
  const down = press(row, "row-move", "↓", `${name} further down`, () => move(index, index + 1));
  up.disabled = index === 0;
  down.disabled = index === count - 1;
  return { row, words };
}

/** `act(path, body)` does a request and resolves to whether it was done; `toast(words)` tells. Returns {open, draw}. */
export function bookOnPage(act, toast) {
  const book = byId("book");
  let stage = { presets: [], setlists: [] };
  let state = {};
  let opened = null; // id of the preset whose particulars are open
  let sure = "";

  const editor = (parent, preset) => {
    const box = make(parent, "li", "row-more");
    const name = make(box, "input");
    name.type = "text";
    name.maxLength = 80;
    name.value = preset.name;
    name.setAttribute("aria-label", "Name of the preset");
    const actions = make(box, "div", "row-actions");
    press(actions, "primary", "Rename", "", () => act("preset_rename", { preset: preset.id, name: name.value }));
    press(actions, "", "Play", "", () => act("preset_recall", { preset: preset.id }));
    const remove = press(actions, "danger", sure === preset.id ? "Tap again" : "Delete", "", () => {
      if (sure === preset.id) act("preset_remove", { preset: preset.id });
      else {
        sure = preset.id;
        remove.textContent = "Tap again";
      }
    });
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // Enter would close the book
      actions.firstChild.click();
    });
  };

  function drawPresets() {
    const list = byId("book-presets");
    list.replaceChildren();
    stage.presets.forEach((preset, index) => {
      const { row, words } = entryRow(
        list, preset.name, index, stage.presets.length,
        (_, to) => act("preset_move", { preset: preset.id, to }),
        () => {
          opened = opened === preset.id ? null : preset.id;
          sure = "";
          draw(state, stage);
        },
      );
      row.classList.toggle("chosen", preset.id === state.preset);
      if (index % (state.bank_size || 3) === 0) row.dataset.bank = `Bank ${index / (state.bank_size || 3) + 1}`;
      words.setAttribute("aria-expanded", String(opened === preset.id));
      if (opened === preset.id) editor(list, preset);
    });
    if (!stage.presets.length) make(list, "li", "empty", "No presets yet.");
  }

  function drawSetlist() {
    const choice = byId("setlist");
    choice.replaceChildren();
    const none = make(choice, "option", "", "None: play the banks");
    none.value = "";
    for (const list of stage.setlists) make(choice, "option", "", list.name).value = list.id;
    choice.value = state.tonight || "";
    const tonight = stage.setlists.find((list) => list.id === state.tonight);
    byId("setlist-own").hidden = !tonight;
    if (!tonight) return;
    const entries = byId("setlist-entries");
    entries.replaceChildren();
    const names = new Map(stage.presets.map((preset) => [preset.id, preset.name]));
    const put = (presets) => act("setlist_put", { setlist: tonight.id, presets });
    tonight.presets.forEach((id, index) => {
      const move = (from, to) => {
        const presets = [...tonight.presets];
        presets.splice(to, 0, ...presets.splice(from, 1));
        put(presets);
      };
      const name = names.get(id) || "A preset that is gone";
      const { row } = entryRow(entries, `${index + 1}. ${name}`, index, tonight.presets.length, move, () =>
        act("preset_recall", { preset: id, place: index }));
      press(row, "row-move", "×", `Take ${name} out`, () => put(tonight.presets.filter((_, at) => at !== index)));
    });
    const add = byId("setlist-add");
    add.replaceChildren();
    make(add, "option", "", "Add a preset…").value = "";
    for (const preset of stage.presets) make(add, "option", "", preset.name).value = preset.id;
  }

  function draw(newState, newStage) {
    state = newState;
    stage = newStage;
    if (!book.open || book.contains(document.activeElement) && document.activeElement.type === "text") return;
    drawPresets();
    drawSetlist();
    byId("riff").textContent = state.riff ? "Record my riff anew" : "Record my riff";
    byId("riff-words").textContent = state.riff_words || "Ten seconds of your own playing: presets are made equally loud by it.";
  }

  const redraw = async (path, body) => {
    if (document.activeElement) document.activeElement.blur();
    return act(path, body);
  };
  byId("new-preset").addEventListener("click", async () => {
    const name = byId("new-name");
    if (await redraw("preset_add", { name: name.value })) name.value = "";
  });
  byId("new-name").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    byId("new-preset").click();
  });
  byId("new-setlist").addEventListener("click", async () => {
    const before = new Set(stage.setlists.map((list) => list.id));
    const name = `Set list ${stage.setlists.length + 1}`;
    if (!(await redraw("setlist_add", { name, presets: stage.presets.map((preset) => preset.id).slice(0, 100) }))) return;
    const find = () => stage.setlists.find((list) => !before.has(list.id));
    for (let tries = 0; tries < 40 && !find(); tries += 1) await new Promise((go) => setTimeout(go, 50));
    if (find()) act("setlist_choose", { setlist: find().id });
  });
  byId("setlist").addEventListener("change", (event) => redraw("setlist_choose", { setlist: event.target.value || null }));
  byId("setlist-remove").addEventListener("click", () => redraw("setlist_remove", { setlist: state.tonight }));
  byId("setlist-rename").addEventListener("change", (event) => {
    const { value } = event.target;
    event.target.value = "";
    redraw("setlist_put", { setlist: state.tonight, name: value });
  });
  byId("setlist-add").addEventListener("change", (event) => {
    const tonight = stage.setlists.find((list) => list.id === state.tonight);
    if (tonight && event.target.value) redraw("setlist_put", { setlist: tonight.id, presets: [...tonight.presets, event.target.value] });
  });
  byId("riff").addEventListener("click", () => act("riff", { do: "record" }));
  byId("preflight").addEventListener("click", async () => {
    const go = byId("preflight");
    const results = byId("preflight-results");
    go.disabled = true;
    results.replaceChildren();
    byId("preflight-words").textContent = "Loading and playing every preset…";
    try {
      const found = await post("preflight", {});
      byId("preflight-words").textContent = found.words;
      byId("preflight-words").className = found.go ? "go" : "no-go";
      for (const entry of found.presets) {
        const row = make(results, "li", entry.go ? "go" : "no-go");
        make(row, "strong", "", entry.name);
        make(row, "span", "", entry.words);
      }
    } catch (error) {
      byId("preflight-words").textContent = "";
      toast(error.message);
    }
    go.disabled = false;
  });
  book.addEventListener("click", (event) => event.target === book && book.close());

  return {
    draw,
    open(what) {
      book.showModal();
      opened = null;
      draw(state, stage);
      if (what === "new") byId("new-name").focus();
      else book.scrollTop = 0;
    },
  };
}
