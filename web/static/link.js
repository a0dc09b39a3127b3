// The line to the pedal: events from it, requests to it. Knows nothing of the page.

const SILENT_MS = 4000; // meters come 15 times a second: this long without a word means the line is dead
const RETRY_MS = 1000;

/**
 * Follow the pedal for ever. `handlers` has a function per topic (state, library, stage, meters, tuner, away) and
 * `connection(boolean)`, called when the line comes or goes.
 */
export function follow(handlers) {
  let source = null;
  let heardAt = 0;
  let connected = null;
  let retry = 0;

  const report = (now) => {
    if (now !== connected) handlers.connection((connected = now));
  };
  const open = () => {
    clearTimeout(retry);
    if (source) source.close();
    heardAt = performance.now();
    source = new EventSource("/api/events");
    for (const topic of ["state", "library", "stage", "meters", "tuner", "away"]) {
      source.addEventListener(topic, (event) => {
        heardAt = performance.now();
        report(true);
        handlers[topic](JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      report(false);
      // The browser tries again by itself unless the answer was an error: then it gives up for good.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
    };
  };

  setInterval(() => {
    if (document.visibilityState === "visible" && performance.now() - heardAt > SILENT_MS) {
      report(false);
      open();
    }
  }, 1000);
  // A phone that slept may hold a line that looks open and is not: begin anew rather than trust it.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && performance.now() - heardAt > 1500) open();
  });
  addEventListener("online", open);
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}

/** POST JSON. Resolves to the answer; rejects with an Error whose message is for the player. */
export function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Pedal": "1" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body) }, "No connection to the pedal. Nothing was changed.");
}

/** GET JSON, as `post`. The Error has the answer's `status`. */
export function ask(path) {
  return request(path, { signal: AbortSignal.timeout(SILENT_MS) }, "No connection to the pedal. Trying again…");
}

async function request(path, options, lost) {
  let response;
  try {
    response = await fetch(`/api/${path}`, options);
  } catch {
    throw new Error(lost);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const message = answer.message || `The pedal answered with error ${response.status}.`;
  throw Object.assign(new Error(message), { status: response.status });
}

/** Upload one file. `progress` gets 0…1. Resolves to the item; rejects with an Error for the player. */
export function upload(file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch can't tell how much has been sent
    const form = new FormData();
    form.append("file", file, file.name);
    request.open("POST", "/api/upload");
    request.setRequestHeader("X-Pedal", "1");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => {
      const answer = request.response || {};
      const result = (answer.results || [])[0];
      if (request.status === 200 && result && result.status === "ok") resolve(result.item);
      else reject(new Error((result && result.message) || answer.message || `The pedal answered with error ${request.status}.`));
    };
    request.onerror = () => reject(new Error("The connection broke. The file was not added; try again nearer to the pedal."));
    request.send(form);
  });
}

/**
 * Send a large file piece by piece; a piece that was lost on the way is sent again for a minute. `progress` gets 0…1.
 * Resolves to the transfer's id; rejects with an Error for the player.
 */
export async function sendFile(file, progress) {
  const { transfer, piece_bytes: size } = await post("transfer", { name: file.name, bytes: file.size });
  const headers = { "Content-Type": "application/octet-stream", "X-Pedal": "1" };
  let lostAt = 0;
  for (let at = 0; at < file.size; ) {
    const body = file.slice(at, at + size);
    try {
      ({ at } = await request(`transfer/${transfer}?at=${at}`, { method: "POST", headers, body }, "The connection broke. Try again nearer to the pedal."));
      lostAt = 0;
    } catch (error) {
      lostAt ||= performance.now();
      if (error.status || performance.now() - lostAt > 60000) throw error; // it was refused, or it is of no use
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    progress(at / file.size);
  }
  return transfer;
}

/**
 * Sends the newest of many values: at most one request under way, and what was turned meanwhile goes in one piece
 * afterwards. `failed(error)` is called with errors.
 */
export function latestOnly(send, failed) {
  let waiting = null;
  let busy = false;
  const pump = async () => {
    busy = true;
    while (waiting) {
      const body = waiting;
      waiting = null;
      try {
        await send(body);
      } catch (error) {
        waiting = null;
        failed(error);
      }
    }
    busy = false;
  };
  return {
    push(change) {
      const knobs = change.knobs || (waiting && waiting.knobs) ? { ...(waiting && waiting.knobs), ...change.knobs } : undefined;
      waiting = { ...waiting, ...change, ...(knobs && { knobs }) };
      if (!busy) pump();
    },
    drop() {
      waiting = null;
    },
    get busy() {
      return busy;
    },
  };
}
