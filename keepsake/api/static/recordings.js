// Recordings that were not sent yet, kept by the browser: a closed tab loses none.
//
// A recording is `{ id, owner, type, startedAt, ... }`; its sound comes in pieces, in order.

const STORES = { recordings: { keyPath: "id" }, pieces: { keyPath: ["recording", "at"] } };

let opened;
function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("keepsake", 1);
    request.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) {
        request.result.createObjectStore(name, options);
      }
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function ask(mode, store, what) {
  const transaction = (await open()).transaction(store, mode);
  const request = what(transaction.objectStore(store));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

const piecesOf = (id) => IDBKeyRange.bound([id, 0], [id, Infinity]);

export const keep = (recording) => ask("readwrite", "recordings", (s) => s.put(recording));

export const keepPiece = (id, at, blob) =>
  ask("readwrite", "pieces", (s) => s.put({ recording: id, at, blob }));

// Those of an owner, the oldest first.
export async function unsent(owner) {
  const all = await ask("readonly", "recordings", (s) => s.getAll());
  return all.filter((each) => each.owner === owner)
    .sort((one, other) => one.startedAt.localeCompare(other.startedAt));
}

export async function soundOf(recording) {
  const pieces = await ask("readonly", "pieces", (s) => s.getAll(piecesOf(recording.id)));
  return new Blob(pieces.map(({ blob }) => blob), { type: recording.type });
}

export async function forget(id) {
  await ask("readwrite", "pieces", (s) => s.delete(piecesOf(id)));
  await ask("readwrite", "recordings", (s) => s.delete(id));
}
