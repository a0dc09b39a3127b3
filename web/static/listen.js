// Listen: the pedal's output, played by the browser. Plain buffers one after another: an AudioWorklet would need https.

const LEAD_S = 0.2; // how far ahead of the ear we write: enough for a radio's hiccup
const MOST_S = 0.6; // further ahead than this we are late for life: drop until we aren't
const PIECE_FRAMES = 2048;
const RETRY_MS = 800;

/** `changed(state, message)` with state off | waiting | on. Returns {toggle(), playing()}. */
export function listening(changed) {
  let wanted = false;
  let abort = null;
  let context = null;

  async function play(signal) {
    const response = await fetch("/api/listen", { signal });
    if (!response.ok) {
      const answer = await response.json().catch(() => ({}));
      throw new Error(answer.message || `The pedal answered with error ${response.status}.`);
    }
    const reader = response.body.getReader();
    let bytes = new Uint8Array(0);
    let rate = 0;
    let at = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const joined = new Uint8Array(bytes.length + value.length);
      joined.set(bytes);
      joined.set(value, bytes.length);
      bytes = joined;
      if (!rate) {
        if (bytes.length < 16) continue;
        rate = new DataView(bytes.buffer).getUint32(4, true);
        bytes = bytes.slice(16);
      }
      while (bytes.length >= 2 * PIECE_FRAMES) {
        const piece = bytes.slice(0, 2 * PIECE_FRAMES);
        bytes = bytes.slice(2 * PIECE_FRAMES);
        const now = context.currentTime;
        if (!at) changed("on"); // not before there is something to hear
        if (at < now + 0.01) at = now + LEAD_S; // the start, or after a dropout
        else if (at > now + MOST_S) continue;
        schedule(piece, rate, at);
        at += PIECE_FRAMES / rate;
      }
    }
  }

  function schedule(piece, rate, at) {
    const view = new DataView(piece.buffer);
    const buffer = context.createBuffer(1, PIECE_FRAMES, rate);
    const channel = buffer.getChannelData(0);
    for (let i = 0; i < PIECE_FRAMES; i++) channel[i] = view.getInt16(2 * i, true) / 32768;
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    source.start(at);
  }

  async function keepPlaying() {
    while (wanted) {
      abort = new AbortController();
      try {
        await play(abort.signal);
        if (wanted) changed("waiting", "");
      } catch (error) {
        if (wanted) changed("waiting", error instanceof TypeError ? "No connection to the pedal." : error.message);
      }
      if (wanted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  return {
    toggle(rate) {
      wanted = !wanted;
      if (wanted) {
        changed("waiting", "");
        // The pedal's own rate: buffers then need no resampling and join without a seam.
        context = new AudioContext({ latencyHint: "playback", ...(rate && { sampleRate: rate }) });
        context.resume();
        keepPlaying();
      } else {
        abort.abort();
        context.close();
        changed("off", "");
      }
    },
  };
}
