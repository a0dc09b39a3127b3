// Updates and backups: a file is sent, what it is is shown, and only then a tap lets it happen.

import { ask, post, sendFile } from "./link.js";

const byId = (id) => document.getElementById(id);
const LOOK_MS = 1000;
const SURE_MS = 4000; // so long a second tap confirms the first
const RELOAD_MS = 2500; // to read how it ended before the page of the new version is fetched

const put = (node, text) => {
  node.textContent = text || ""; // never markup: names and notes come from files
  node.hidden = !text;
};
const megabytes = (bytes) => `${Math.max(1, Math.round(bytes / 1048576))} MB`;
const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

export function updateInBox(toast) {
  let isOpen = false;
  let timer = 0;
  let sure = 0; // until when a tap on "back" is the second one
  let busy = false; // something is sent, checked, made or tried
  let begun = false; // an update was begun from here, or seen at work
  let restoring = false;
  let transfer = null;
  let news = null; // of /api/update
  let seen; // when the last trial ended that this page knows of

  const way = (words, share) => {
    put(byId("update-words"), words);
    byId("update-way").hidden = !words;
    const bar = byId("update-bar");
    if (share == null) bar.removeAttribute("value");
    else bar.value = share;
  };
  const fault = (words) => put(byId("update-error"), words);

  function draw() {
    for (const node of document.querySelectorAll("#box-update .box-file")) node.setAttribute("aria-disabled", String(busy));
    const back = byId("update-back");
    back.disabled = busy;
    if (!news) return;
    byId("update-part").hidden = !news.installed;
    put(byId("update-now"), `Version ${news.running} runs.`);
    put(byId("update-outcome"), news.outcome && !news.on_trial ? news.outcome.words : "");
    back.hidden = !news.previous;
    back.textContent = performance.now() < sure ? "Tap again to go back" : `Back to ${(news.previous || "").split("-")[0]}`;
    back.classList.toggle("danger", performance.now() < sure);
  }

  /** An update that is at work: on the way, or how it ended. */
  function follow() {
    const { answer, on_trial: onTrial, outcome } = news;
    const working = onTrial || (answer && answer.status === "working");
    if (seen === undefined) seen = outcome && outcome.when;
    if (working) {
      begun = busy = true;
      way(answer ? answer.words : "On trial.", answer ? answer.share : null);
      return;
    }
    if (!begun) return;
    begun = busy = false;
    way("");
    if (outcome && outcome.when !== seen) {
      seen = outcome.when;
      toast(outcome.words);
      if (outcome.result === "stays") setTimeout(() => location.reload(), RELOAD_MS);
    } else if (answer && answer.status !== "done") {
      fault(answer.words);
    }
  }

  async function look() {
    clearTimeout(timer);
    try {
      news = await ask("update");
      follow();
      if (restoring) await lookAtRestore();
    } catch (error) {
      if (begun || restoring) way("Waiting for the pedal: it is starting anew.", null);
    }
    draw();
    if (isOpen || begun || restoring) timer = setTimeout(look, LOOK_MS);
  }

  async function lookAtRestore() {
    const { restoring: going } = await ask("restore");
    if (going && going.status === "working") {
      way(going.words, going.share);
      return;
    }
    restoring = busy = false;
    way("");
    if (going) fault(going.words); // when all went well the pedal has started anew, and says so itself
  }

  /** Send a chosen file and ask what it is. Resolves to the answer, or null when it was refused. */
  async function offered(input, path) {
    const [file] = input.files;
    input.value = ""; // so that the same file can be chosen again
    if (!file || busy) return null;
    busy = true;
    fault("");
    byId("update-offer").hidden = byId("restore-offer").hidden = true;
    draw();
    try {
      way(`Sending ${file.name}, ${megabytes(file.size)}`, 0);
      transfer = await sendFile(file, (share) => way(`Sending ${file.name}, ${megabytes(file.size)}`, share));
      way("The pedal is checking it", null);
      return await post(path, { transfer });
    } catch (error) {
      fault(error.message);
      return null;
    } finally {
      busy = false;
      way("");
      draw();
    }
  }

  async function begin(path, body) {
    fault("");
    try {
      await post(path, body);
      return true;
    } catch (error) {
      fault(error.message);
      return false;
    }
  }

  byId("update-file").addEventListener("change", async (event) => {
    const answer = await offered(event.target, "update/check");
    if (!answer) return;
    const { offer } = answer;
    put(byId("offer-title"), `Version ${offer.version}`);
    put(byId("offer-facts"), `Signed by ${offer.signed_by}, made ${offer.made.slice(0, 10)}. Here runs ${offer.running}.`);
    put(byId("offer-notes"), offer.notes);
    put(byId("offer-refusal"), offer.refusal);
    byId("offer-yes").hidden = Boolean(offer.refusal);
    byId("update-offer").hidden = false;
  });
  byId("offer-no").addEventListener("click", () => (byId("update-offer").hidden = true));
  byId("offer-yes").addEventListener("click", async () => {
    byId("update-offer").hidden = true;
    if (!(await begin("update/install", { transfer }))) return;
    begun = busy = true;
    way("The update begins. The sound goes on meanwhile.", 0);
    draw();
    timer = setTimeout(look, LOOK_MS);
  });
  byId("update-back").addEventListener("click", async () => {
    if (performance.now() >= sure) {
      sure = performance.now() + SURE_MS;
      setTimeout(draw, SURE_MS + 50);
      draw();
      return;
    }
    sure = 0;
    if (await begin("update/back", {})) {
      begun = busy = true;
      way("Going back.", null);
    }
    draw();
  });
  byId("restore-file").addEventListener("change", async (event) => {
    const found = await offered(event.target, "restore/check");
    if (!found) return;
    put(byId("restore-title"), `Backup of ${found.made.slice(0, 10)}`);
    put(byId("restore-facts"), `${count(found.models, "model")}, ${count(found.cabinets, "cabinet")}, ${count(found.presets, "preset")}, ${count(found.setlists, "set list")}. What is here stays, unless you choose otherwise.`);
    byId("restore-replace").checked = false;
    byId("restore-offer").hidden = false;
  });
  byId("restore-no").addEventListener("click", () => (byId("restore-offer").hidden = true));
  byId("restore-yes").addEventListener("click", async () => {
    byId("restore-offer").hidden = true;
    if (!(await begin("restore", { transfer, replace: byId("restore-replace").checked }))) return;
    restoring = busy = true;
    way("Looking through the backup", 0);
    draw();
    look();
  });
  byId("backup-get").href = "/api/backup";
  byId("backup-get").addEventListener("click", (event) => busy && event.preventDefault());

  return {
    open() {
      isOpen = true;
      fault("");
      look();
    },
    close() {
      isOpen = false;
    },
    lost: () => (begun ? "The pedal starts with another version. This page comes back by itself." : restoring ? "The pedal starts anew with what was restored." : ""),
  };
}
