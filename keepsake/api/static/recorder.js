// The page where somebody records a story: record, listen, send.
//
// Each second of sound is kept in the browser before anything else (recordings.js), and sent only
// when the person says so (upload.js).

import { forget, keep, keepPiece, soundOf, unsent } from "./recordings.js";
import { Refused, upload } from "./upload.js";

// What browsers record, the best first. Safari knows the second only.
const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const PIECE = 1000; // milliseconds
const QUIET = 0.012; // level below which nobody is heard

const root = document.getElementById("recorder");
const form = document.getElementById("tell");

const part = (name) => root.querySelector(`[data-${name}]`);
const button = (name) => root.querySelector(`[data-do="${name}"]`);
const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

let current = null; // the recording that is shown: what is kept of it, and its sound
let taking = null; // what is being recorded

function show(state) {
  for (const each of root.querySelectorAll("[data-state]")) each.hidden = each.dataset.state !== state;
  document.getElementById("write").hidden = state !== "ready";
}

function trouble(words) {
  part("trouble").textContent = words;
  part("trouble").hidden = !words;
}

const REFUSALS = {
  NotAllowedError: "The microphone is not allowed for this page. Allow it in the settings of your "
    + "browser, often by the sign beside the address, and press Record again. Or write it instead.",
  NotFoundError: "There is no microphone here. Connect one and press Record again, or write it instead.",
  NotReadableError: "Another program uses the microphone. Close it and press Record again.",
};

async function record() {
  trouble("");
  if (!form.elements.member.reportValidity()) return;
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch (error) {
    trouble(REFUSALS[error.name] ?? `The microphone cannot be used (${error.name}).`);
    return;
  }
  const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each));
  const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
  const recording = {
    id: crypto.randomUUID(),
    owner: root.dataset.owner,
    type: recorder.mimeType || type || "audio/webm",
    startedAt: new Date().toISOString(),
    ...about(),
  };
  taking = { recorder, recording, stream, pieces: [], kept: [keep(recording)], seconds: 0, since: null };
  recorder.ondataavailable = ({ data }) => {
    if (!data.size) return;
    taking.pieces.push(data);
    taking.kept.push(keepPiece(recording.id, taking.pieces.length, data));
  };
  recorder.onstop = finish;
  recorder.onerror = () => recorder.stop();
  stream.getAudioTracks()[0].onended = () => recorder.state !== "inactive" && recorder.stop();
  recorder.start(PIECE);
  taking.since = performance.now();
  taking.awake = await navigator.wakeLock?.request("screen").catch(() => null);
  button("pause").textContent = "Pause";
  show("recording");
  button("stop").focus();
  listenIn(stream);
}

const about = () => ({
  member: form.elements.member.value,
  prompt: form.elements.prompt?.value ?? null,
});

const elapsed = () =>
  taking.seconds + (taking.since === null ? 0 : (performance.now() - taking.since) / 1000);

function pause() {
  const { recorder } = taking;
  if (recorder.state === "recording") {
    taking.seconds = elapsed();
    taking.since = null;
    recorder.pause();
    button("pause").textContent = "Go on";
  } else {
    taking.since = performance.now();
    recorder.resume();
    button("pause").textContent = "Pause";
  }
}

// The level as a line of bars, and in words whether anybody is heard.
function listenIn(stream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const canvas = part("level"), draw = canvas.getContext("2d");
  const bars = new Array(64).fill(0);
  const mine = taking;
  let heard = performance.now(), last = 0;
  function look(now) {
    if (taking !== mine || mine.recorder.state === "inactive") {
      context.close();
      return;
    }
    part("elapsed").textContent = clock(elapsed());
    if (mine.since !== null && now - last > 60) {
      last = now;
      analyser.getFloatTimeDomainData(samples);
      const level = Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length);
      if (level > QUIET) heard = now;
      bars.push(Math.min(1, Math.sqrt(level) * 1.6));
      bars.shift();
      say(now - heard > 4000 ? "It is very quiet. Is the microphone near you?" : "You are heard.");
      const width = canvas.width / bars.length;
      draw.clearRect(0, 0, canvas.width, canvas.height);
      draw.fillStyle = getComputedStyle(canvas).color;
      bars.forEach((bar, at) => {
        const height = Math.max(3, bar * canvas.height);
        draw.fillRect(at * width + width * 0.25, (canvas.height - height) / 2, width * 0.5, height);
      });
    }
    requestAnimationFrame(look);
  }
  requestAnimationFrame(look);
}

function say(words) {
  if (part("hearing").textContent !== words) part("hearing").textContent = words;
}

async function finish() {
  const { recording, stream, pieces, kept, awake } = taking;
  recording.seconds = elapsed();
  taking.since = null;
  for (const track of stream.getTracks()) track.stop();
  awake?.release();
  const lost = (await Promise.allSettled([...kept, keep(recording)])).some(({ reason }) => reason);
  if (lost) trouble("Your browser does not keep recordings: send it before you close this page.");
  listen(recording, new Blob(pieces, { type: recording.type }));
}

function listen(recording, sound) {
  current = { recording, sound };
  const audio = part("listen");
  if (audio.src) URL.revokeObjectURL(audio.src);
  audio.src = URL.createObjectURL(sound);
  show("listening");
  button("send").focus();
}

async function send() {
  if (!form.elements.member.reportValidity()) return;
  const { recording, sound } = current;
  Object.assign(recording, about());
  trouble("");
  part("listen").pause();
  show("sending");
  try {
    const id = await upload(recording, sound, {
      keep: () => keep(recording).catch(() => {}),
      sent: (share) => {
        part("sent").value = share;
        part("sending").textContent = share < 1 ? "Sending …" : "Arriving …";
      },
      waiting: (again) => {
        part("sending").textContent =
          "The connection is gone. Nothing is lost: it goes on when it is back.";
        button("again").hidden = false;
        button("again").onclick = again;
      },
      going: () => { button("again").hidden = true; },
    });
    await forget(recording.id).catch(() => {});
    location.assign(root.dataset.after + id);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble(error.message);
    show("listening");
  }
}

async function discard() {
  if (!confirm("Discard this recording? It cannot be brought back.")) return;
  await forget(current.recording.id).catch(() => {});
  current = null;
  show("ready");
  button("record").focus();
}

// What somebody recorded here before, and did not send.
async function resume() {
  const [recording] = await unsent(root.dataset.owner).catch(() => []);
  const sound = recording && (await soundOf(recording));
  if (!sound?.size) return;
  if (recording.member) form.elements.member.value = recording.member;
  const at = new Date(recording.startedAt).toLocaleString([], { dateStyle: "long", timeStyle: "short" });
  trouble(`This recording of ${at} was not sent yet.`);
  listen(recording, sound);
}

if (root && navigator.mediaDevices && window.MediaRecorder) {
  root.hidden = false;
  document.getElementById("write").open = false;
  for (const [name, does] of Object.entries({ record, pause, send, discard, stop: () => taking.recorder.stop() })) {
    button(name).addEventListener("click", does);
  }
  show("ready");
  resume();
} else if (root) {
  root.hidden = false;
  trouble(window.isSecureContext
    ? "This browser cannot record. You can write your story."
    : "Recording needs a safe connection (https). You can write your story.");
}
