// Sends a recording, and goes on by itself after the connection was gone.

// The server does not want it; the message says why.
export class Refused extends Error {}

// Resolves to the id of the record. `recording` may get a note of where it is being sent, which
// `keep` is to keep; `sent(share)`, `waiting(again)` and `going()` say how it goes.
export async function upload(recording, sound, { keep, sent, waiting, going }) {
  for (let pause = 1000; ; pause = Math.min(2 * pause, 30_000)) {
    try {
      going();
      return await attempt(recording, sound, sent);
    } catch (error) {
      if (error instanceof Refused) throw error;
      await connected(pause, waiting);
    }
  }
}

async function attempt(recording, sound, sent) {
  const query = new URLSearchParams({
    owner: recording.owner,
    member: recording.member,
    recorded_at: recording.startedAt,
    file_name: `recording${recording.type.includes("mp4") ? ".m4a" : recording.type.includes("ogg") ? ".ogg" : ".webm"}`,
    ...(recording.prompt && { prompt_id: recording.prompt }),
  });
  sent(0);
  const answer = await fetch(`/api/responses/audio?${query}`, {
    method: "PUT",
    headers: { "Content-Type": recording.type.split(";")[0], "Idempotency-Key": recording.id },
    body: sound,
  });
  if (answer.status >= 500) throw new Error(answer.status);
  const said = await answer.json();
  if (!answer.ok) throw new Refused(said.detail);
  sent(1);
  return said.id;
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
