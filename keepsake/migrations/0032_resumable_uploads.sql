-- Recordings that come in piece by piece (keepsake/http/resumable.py). The pieces are in a file of the data folder,
-- whose size says how much has arrived.
CREATE TABLE resumable_uploads (
    id          uuid PRIMARY KEY,
    owner_id    bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    length      bigint NOT NULL,             -- bytes of the whole
    about       jsonb NOT NULL,              -- what its sender says of it
    record_id   bigint,                      -- what was made of the whole
    expires_at  timestamptz NOT NULL,
    FOREIGN KEY (record_id, owner_id) REFERENCES records (id, owner_id) ON DELETE CASCADE
);
CREATE INDEX resumable_uploads_owner ON resumable_uploads (owner_id);
