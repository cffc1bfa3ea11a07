// Recordings: controls of our own, and texts whose words light up while they are spoken.
//
// A text is an element with `data-said-in="ID"`, the id of its <audio>; each of its words that has a
// time is an element with `data-t`, in seconds. A choice of a word leads to its moment.

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const SPEEDS = [1, 1.25, 1.5, 0.8];

const clock = (seconds) => {
  const whole = Math.round(seconds), hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60, rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
};

// The last of the ascending `starts` that is not after `time`, or -1.
function lastBefore(starts, time) {
  let low = 0, high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// A text: its words, in the order in which they are said, and the one that is lit.
function textOf(element) {
  const words = [...element.querySelectorAll("[data-t]")]
    .map((word) => ({ word, start: Number(word.dataset.t) }))
    .sort((one, other) => one.start - other.start);
  const starts = words.map(({ start }) => start);
  const sentences = [...element.querySelectorAll(".sentence")]
    .map((sentence) => sentence.querySelector("[data-t]"))
    .filter(Boolean)
    .map((word) => Number(word.dataset.t));
  let lit = null;
  return {
    element,
    sentences,
    light(time) {
      const at = lastBefore(starts, time + 0.02); // a jump may land a little before its word
      const word = at < 0 ? null : words[at].word;
      if (word === lit) return null;
      lit?.classList.remove("lit");
      lit?.closest(".sentence")?.classList.remove("now");
      word?.classList.add("lit");
      word?.closest(".sentence")?.classList.add("now");
      return (lit = word);
    },
  };
}

// Keep the lit word in sight, but not against somebody who scrolls.
let handled = 0;
for (const kind of ["wheel", "touchmove", "keydown"]) {
  addEventListener(kind, () => { handled = performance.now(); }, { passive: true });
}
function follow(word) {
  if (performance.now() - handled < 5000) return;
  const { top, bottom } = word.getBoundingClientRect();
  if (top > 60 && bottom < innerHeight - 150) return;
  if (!word.checkVisibility()) return;
  word.scrollIntoView({ block: "center", behavior: calm.matches ? "instant" : "smooth" });
}

function start(player) {
  const audio = player.querySelector("audio");
  const controls = player.querySelector(".controls");
  const play = player.querySelector("[data-play]");
  const texts = audio.id
    ? [...document.querySelectorAll(`[data-said-in="${audio.id}"]`)].map(textOf) : [];

  audio.controls = false;
  (controls ?? play).hidden = false;
  player.classList.add("ready");

  const find = (selector) => player.querySelector(selector);
  const range = find("input[type=range]"), at = find("[data-at]"), length = find("[data-length]");
  const speed = find("[data-speed]");
  // A recording of a browser does not say how long it is.
  const seconds = () => Number.isFinite(audio.duration)
    ? audio.duration
    : Number(player.dataset.seconds) || (audio.seekable.length ? audio.seekable.end(0) : 0);

  function show(time) {
    for (const text of audio.played.length || time ? texts : []) {
      const word = text.light(time);
      if (word && !audio.paused) follow(word);
    }
    if (!range || range.matches(":active")) return;
    range.max = seconds();
    range.value = time;
    range.setAttribute("aria-valuetext", `${clock(time)} of ${clock(seconds())}`);
    range.style.setProperty("--part", `${(100 * time) / (seconds() || 1)}%`);
    at.textContent = clock(time);
    length.textContent = clock(seconds());
  }
  function tick() {
    show(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(tick);
  }
  function jump(time) {
    audio.currentTime = time;
    show(time);
  }

  const toggle = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());
  const word = play.querySelector("[data-word]");
  const label = play.getAttribute("aria-label");
  const name = (does) => {
    play.setAttribute("aria-label", label.replace(/^Play/, does));
    if (word) word.textContent = does;
  };
  play.addEventListener("click", toggle);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    player.classList.add("playing");
    name("Pause");
    announce(player);
    tick();
  });
  audio.addEventListener("pause", () => {
    player.classList.remove("playing");
    name("Play");
  });
  for (const kind of ["seeked", "loadedmetadata", "durationchange"]) {
    audio.addEventListener(kind, () => show(audio.currentTime));
  }
  audio.addEventListener("error", () => {
    player.classList.add("broken");
    player.append("This recording cannot be played here.");
  }, { once: true });

  range?.addEventListener("input", () => {
    audio.currentTime = Number(range.value);
    at.textContent = clock(range.value);
    for (const text of texts) text.light(Number(range.value));
  });
  speed?.addEventListener("click", () => {
    audio.playbackRate = SPEEDS[(SPEEDS.indexOf(audio.playbackRate) + 1) % SPEEDS.length];
    speed.textContent = `${audio.playbackRate}×`;
    speed.setAttribute("aria-label", `Speed: ${audio.playbackRate} times`);
  });
  for (const step of player.querySelectorAll("[data-step]")) {
    step.addEventListener("click", () => {
      const sentences = texts[0]?.sentences ?? [];
      const here = lastBefore(sentences, audio.currentTime + 0.02);
      // Back leads to the beginning of this sentence first, as with songs.
      const within = here >= 0 && audio.currentTime - sentences[here] > 1.5;
      const next = step.dataset.step === "1" ? here + 1 : within ? here : here - 1;
      if (!sentences.length) jump(Math.max(0, audio.currentTime + 10 * Number(step.dataset.step)));
      else if (next < sentences.length) jump(sentences[Math.max(0, next)]);
    });
  }
  for (const { element } of texts) {
    element.classList.add("playable");
    element.addEventListener("click", (event) => {
      const word = event.target.closest("[data-t]");
      if (!word || String(getSelection())) return;
      handled = 0;
      jump(Number(word.dataset.t));
      audio.play().catch(() => {});
    });
  }
  if (texts.length) {
    const toMoment = () => {
      const [, time] = location.hash.match(/^#t=([\d.]+)$/) ?? [];
      if (time === undefined) return;
      jump(Number(time));
      document.querySelector(".lit")?.scrollIntoView({ block: "center" });
    };
    addEventListener("hashchange", toMoment);
    toMoment();
  }
  show(audio.currentTime);
}

// What a locked phone shows.
function announce(player) {
  const { title, by } = player.dataset;
  if (title && "mediaSession" in navigator) {
    navigator.mediaSession.metadata = new MediaMetadata({ title, artist: by });
  }
}

document.querySelectorAll("[data-player]").forEach(start);
