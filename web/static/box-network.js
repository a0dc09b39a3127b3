// The network: what the pedal is on, its own Wi-Fi with its card, networks that are near.

import { ask, post } from "./link.js";

const byId = (id) => document.getElementById(id);
const LOOK_MS = 2000; // while the view is open
const LEAST = 12;
const LEAST_OF_OTHERS = 8;
const WISHES = { auto: "Where no known Wi-Fi is near", on: "Always", off: "Never" };

const make = (parent, tag, className, text) => {
  const node = parent.appendChild(document.createElement(tag));
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // never markup: names come from strangers
  if (tag === "button") node.type = "button";
  return node;
};
const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
};
const bars = (signal) => "▂▄▆█".slice(0, Math.max(1, Math.ceil(signal / 25)));

/** Where the pedal is, in a sentence. */
export function placeWords(network) {
  if (network.busy) return network.busy;
  if (network.hotspot) {
    const guests = network.guests === 1 ? "one phone is on it" : `${network.guests || "no"} phones are on it`;
    return `Its own Wi-Fi ${network.ssid} is up; ${guests}.`;
  }
  if (network.wifi) return `On the Wi-Fi ${network.wifi}.`;
  return network.radio ? "On no Wi-Fi at the moment." : "There is no Wi-Fi here, or it is switched off.";
}

/** Where the page is: the address that works where the phone is, then the others. */
export function pageWords(network) {
  const places = [...(network.name ? [network.name] : []), ...network.addresses];
  return places.length ? `This page: ${places.map((place) => `${location.protocol}//${place}`).join(" or ")}` : "";
}

export function networkInBox(toast) {
  const section = byId("box-network");
  const wish = byId("network-wish");
  const list = byId("network-near");
  const secret = byId("network-secret");
  const fault = byId("network-fault");
  let timer = 0;
  let listed = "";
  let joining = null; // the network whose pass-phrase is being typed
  let carded = "";
  let opened = 0; // answers to an earlier opening are not drawn

  for (const [value, words] of Object.entries(WISHES)) make(wish, "option", "", words).value = value;

  async function change(body) {
    put(fault, "");
    try {
      draw((await post("network", body)).network);
      return true;
    } catch (error) {
      put(fault, error.message);
      toast(error.message);
      return false;
    }
  }

  function drawList(network) {
    const others = network.known.filter((name) => !network.near.some((one) => one.ssid === name));
    const key = JSON.stringify([network.near, others, network.wifi, joining]);
    if (key === listed || list.contains(document.activeElement)) return; // nothing jumps from under a finger
    listed = key;
    list.replaceChildren();
    const all = [...network.near, ...others.map((ssid) => ({ ssid, signal: 0, security: "", known: true }))];
    for (const one of all) {
      const row = make(list, "li", "bound");
      const words = make(row, "div");
      make(words, "strong", "", one.ssid);
      const here = one.ssid === network.wifi ? "joined" : one.known ? "known" : one.security || "open";
      make(words, "span", "", one.signal ? `${bars(one.signal)} ${here}` : `${here}, not near`);
      if (one.known) make(row, "button", "", "Forget").addEventListener("click", () => change({ do: "forget", ssid: one.ssid }));
      else make(row, "button", "", "Join").addEventListener("click", () => begin(one));
    }
  }

  function begin(one) {
    joining = one;
    byId("network-name").value = one ? one.ssid : "";
    byId("network-key").value = "";
    byId("network-join").hidden = false;
    byId("network-open").hidden = !one || one.security !== "";
    (one ? byId("network-key") : byId("network-name")).focus();
  }

  function draw(network) {
    section.hidden = !network;
    if (!network) return;
    put(byId("network-place"), placeWords(network));
    put(byId("network-pages"), pageWords(network));
    put(byId("network-told"), network.told || "");
    if (document.activeElement !== wish) wish.value = network.wish;
    byId("network-wpa3").checked = network.wpa3;
    put(byId("network-country-now"), network.country ? `Country: ${network.country}` : "Country: not set. Wi-Fi keeps to what is allowed everywhere.");
    const card = `${network.ssid} ${network.passphrase} ${network.name}`;
    if (card !== carded) byId("network-card").src = `/api/network/card.svg?${Date.now()}`;
    carded = card;
    put(byId("network-words"), `${network.ssid}, pass-phrase ${network.passphrase}`);
    drawList(network);
  }

  async function look(number) {
    try {
      const { network } = await ask("network");
      if (number === opened) draw(network);
    } catch {
      // the banner says it already
    }
    if (number === opened) timer = setTimeout(look, LOOK_MS, number);
  }

  wish.addEventListener("change", () => change({ do: "hotspot", wish: wish.value }));
  byId("network-wpa3").addEventListener("change", (event) => change({ do: "wpa3", wpa3: event.target.checked }));
  byId("network-look").addEventListener("click", () => change({ do: "look" }));
  byId("network-other").addEventListener("click", () => begin(null));
  byId("network-cancel").addEventListener("click", () => (byId("network-join").hidden = true));
  byId("network-go").addEventListener("click", async () => {
    const ssid = byId("network-name").value;
    const key = byId("network-key").value;
    const open = joining && joining.security === "" && key === "";
    if (!ssid) return put(fault, "Type the network’s name.");
    if (!open && key.length < LEAST_OF_OTHERS) return put(fault, `A Wi-Fi pass-phrase has at least ${LEAST_OF_OTHERS} characters.`);
    if (await change({ do: "join", ssid, passphrase: open ? null : key })) byId("network-join").hidden = true;
  });
  byId("network-keep").addEventListener("click", async () => {
    const passphrase = secret.value;
    if (passphrase.length < LEAST) return put(fault, `The pass-phrase has ${passphrase.length} characters: take at least ${LEAST}.`);
    if (await change({ do: "passphrase", passphrase })) secret.value = "";
  });
  byId("network-country-keep").addEventListener("click", async () => {
    if (await change({ do: "country", country: byId("network-country").value.trim() })) byId("network-country").value = "";
  });

  return {
    open() {
      opened += 1;
      put(fault, "");
      byId("network-join").hidden = true;
      look(opened);
    },
    close() {
      opened += 1;
      clearTimeout(timer);
    },
  };
}
