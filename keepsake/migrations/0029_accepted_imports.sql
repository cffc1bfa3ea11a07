-- Imports that were accepted over HTTP and are not over: the file lies in the data folder until all of it was
-- taken in, so that what a process has accepted is not lost with it (keepsake/http/imports.py).
CREATE TABLE accepted_imports (
    batch_id  bigint PRIMARY KEY,
    owner_id  bigint NOT NULL,
    file      text NOT NULL,                 -- in the folder of imports
    attempts  integer NOT NULL DEFAULT 0,
    due_at    timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (batch_id, owner_id) REFERENCES batches (id, owner_id) ON DELETE CASCADE
);
