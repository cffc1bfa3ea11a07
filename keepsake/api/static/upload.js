// Sends a recording in pieces by tus 1.0.0, and goes on by itself after the connection was gone.

const PIECE = 1 << 20; // bytes
const TUS = { "Tus-Resumable": "1.0.0" };
const SUFFIXES = { "audio/webm": ".webm", "audio/mp4": ".m4a", "audio/ogg": ".ogg" };

// The server does not want it; the message says why.
export class Refused extends Error {}

// Resolves to the id of the record. `recording.upload` is where it is being sent, and `keep` is to
// keep that; `sent(share)`, `waiting(again)` and `going()` say how it goes.
export async function upload(recording, sound, { keep, sent, waiting, going }) {
  let pause = 500;
  for (;;) {
    going();
    try {
      return await attempt(recording, sound, keep, (share) => {
        pause = 500; // something arrived: it is worth trying again soon
        sent(share);
      });
    } catch (error) {
      if (error instanceof Refused) throw error;
      pause = Math.min(2 * pause, 30_000);
      await connected(pause, waiting);
    }
  }
}

async function attempt(recording, sound, keep, sent) {
  let answer = await (recording.upload ? arrived(recording) : begin(recording, sound));
  if (answer.status === 404 && recording.upload) answer = await begin(recording, sound); // expired
  if (answer.headers.has("Location")) {
    recording.upload = answer.headers.get("Location");
    await keep();
  }
  while (!answer.headers.has("Content-Location")) {
    const offset = Number(answer.headers.get("Upload-Offset"));
    answer = await checked(recording, fetch(recording.upload, {
      method: "PATCH",
      headers: { ...TUS, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" },
      body: sound.slice(offset, offset + PIECE),
    }));
    sent(Number(answer.headers.get("Upload-Offset")) / sound.size);
  }
  return answer.headers.get("Content-Location").split("/").at(-1);
}

const arrived = ({ upload }) => fetch(upload, { method: "HEAD", headers: TUS });

function begin(recording, sound) {
  const type = recording.type.split(";")[0];
  const about = {
    member: recording.member,
    recorded_at: recording.startedAt,
    filename: `recording${SUFFIXES[type] ?? ""}`,
    filetype: type,
    external_id: recording.id, // sent twice it is one response
    ...(recording.prompt && { prompt_id: recording.prompt }),
  };
  const encoded = Object.entries(about).map(([name, value]) => `${name} ${base64(value)}`).join(",");
  return checked(recording, fetch(`/api/uploads?owner=${encodeURIComponent(recording.owner)}`, {
    method: "POST",
    headers: { ...TUS, "Upload-Length": sound.size, "Upload-Metadata": encoded },
  }));
}

const base64 = (text) => btoa(String.fromCodePoint(...new TextEncoder().encode(text)));

// The answer, if it is a success. What may be different the next time is an ordinary error.
async function checked(recording, asked) {
  const answer = await asked;
  if (answer.ok) return answer;
  if (answer.status >= 500 || [404, 408, 409, 429].includes(answer.status)) {
    throw new Error(`answered ${answer.status}`);
  }
  const { detail } = await answer.json().catch(() => ({ detail: `it answered ${answer.status}` }));
  delete recording.upload; // what is tried next is another upload
  throw new Refused(`It was not taken: ${detail}.`);
}

// Waits a while, or until the connection is back, or until the person does not want to wait.
function connected(pause, waiting) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, pause);
    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    }
    addEventListener("online", done);
    waiting(done);
  });
}
