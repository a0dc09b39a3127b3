// The lists of models and cabinets, and the sheet with an item's particulars.

import { cabinetWords, kilohertz, knobNames, modelWords, piWords } from "./words.js";

const byId = (id) => document.getElementById(id);

const make = (parent, tag, className, text) => {
  const node = parent.appendChild(document.createElement(tag));
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // never markup: names come from strangers' files
  return node;
};

function row(list, item, words, extras, pick, open) {
  const entry = make(list, "li", "item");
  entry.dataset.id = item ? item.id : "";
  const button = make(entry, "button", "pick");
  button.type = "button";
  make(button, "span", "pilot").setAttribute("aria-hidden", "true");
  const text = make(button, "span", "item-words");
  make(text, "strong", "", item ? item.name : "No cabinet");
  make(text, "span", "item-kind", words);
  for (const [kind, extra] of extras) make(text, "span", kind, extra);
  button.addEventListener("click", pick);
  if (item) {
    const more = make(entry, "button", "more", "⋯");
    more.type = "button";
    more.setAttribute("aria-label", `More about ${item.name}`);
    more.addEventListener("click", open);
  }
}

/** Draw both lists anew. `pick({model|cabinet})` when one is tapped, `open(kind, item)` for its particulars. */
export function drawLists(library, pick, open) {
  const models = byId("models");
  models.replaceChildren();
  for (const model of library.models) {
    const extras = [];
    if (knobNames(model)) extras.push(["item-knobs", knobNames(model)]);
    if (piWords(model)) extras.push(["item-kind", piWords(model)]);
    if (model.notes && model.notes.length) extras.push(["item-note", model.notes[0]]);
    if (model.licence) extras.push(["item-licence", model.licence]);
    row(models, model, modelWords(model), extras, () => pick({ model: model.id }), () => open("model", model));
  }
  if (!library.models.length) make(models, "li", "empty", "No models yet. Add one below.");
  const cabinets = byId("cabinets");
  cabinets.replaceChildren();
  row(cabinets, null, "Straight from the amp", [], () => pick({ cabinet: null }));
  for (const cabinet of library.cabinets) {
    const extras = cabinet.notes && cabinet.notes.length ? [["item-note", cabinet.notes[0]]] : [];
    row(cabinets, cabinet, cabinetWords(cabinet), extras, () => pick({ cabinet: cabinet.id }), () => open("cabinet", cabinet));
  }
}

/** Mark what is chosen; `pending` while the engine hasn't confirmed it. */
export function markLists(chosen, pending) {
  for (const [kind, list] of [["model", byId("models")], ["cabinet", byId("cabinets")]]) {
    const id = chosen[kind] ?? (kind === "cabinet" ? "" : null);
    for (const entry of list.querySelectorAll(".item")) {
      const on = entry.dataset.id === id;
      entry.classList.toggle("chosen", on);
      entry.classList.toggle("pending", on && pending === kind);
      entry.querySelector(".pick").setAttribute("aria-current", on ? "true" : "false");
    }
  }
}

function facts(kind, item) {
  if (kind === "cabinet") {
    return [["Length", cabinetWords(item)], ["File", item.file_name]];
  }
  return [
    ["Network", item.architecture],
    ["Format", item.format],
    ["Made at", kilohertz(item.sample_rate_hz)],
    ["Controls", knobNames(item) || "None"],
    ["Loudness", item.loudness_db == null ? null : `${item.loudness_db.toFixed(1)} dB`.replace("-", "−")],
    ["Error (ESR)", item.esr == null ? null : String(+item.esr.toPrecision(3))],
    ["Licence", item.licence || "Not stated"],
    ["File", item.file_name],
  ];
}

/** The sheet. `act(path, body)` does a request and resolves to whether it was done. Returns `open(kind, item)`. */
export function sheetOnPage(act) {
  const sheet = byId("sheet");
  const remove = byId("sheet-remove");
  const name = byId("sheet-name");
  let item = null;
  let sure = 0;

  const relax = () => {
    clearTimeout(sure);
    sure = 0;
    remove.textContent = "Remove";
  };
  const finish = async (path, body) => {
    if (await act(path, body)) sheet.close();
  };
  remove.addEventListener("click", () => {
    if (sure) {
      relax();
      finish("remove", { item: item.id });
    } else {
      remove.textContent = "Tap again to remove for good";
      sure = setTimeout(relax, 4000);
    }
  });
  byId("sheet-rename").addEventListener("click", () => finish("rename", { item: item.id, name: name.value }));
  name.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // Enter would press Close
    byId("sheet-rename").click();
  });
  sheet.addEventListener("close", relax);
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());

  return (kind, chosen) => {
    item = chosen;
    byId("sheet-title").textContent = item.name;
    name.value = item.name;
    byId("sheet-own").hidden = item.factory;
    const notes = byId("sheet-notes");
    notes.replaceChildren();
    for (const note of item.notes || []) make(notes, "li", "", note);
    const list = byId("sheet-facts");
    list.replaceChildren();
    for (const [term, value] of facts(kind, item)) {
      if (value == null || value === "") continue;
      make(list, "dt", "", term);
      make(list, "dd", "", value);
    }
    if (item.factory) {
      make(list, "dt", "", "Comes with");
      make(list, "dd", "", "the pedal; it can’t be renamed or removed");
    }
    sheet.showModal();
  };
}
