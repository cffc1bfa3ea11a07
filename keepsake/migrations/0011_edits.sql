-- What people change by hand, and what they took off: it holds when a step is made again.

-- How often somebody asked for a row to be made anew. A run that began before the last time, and so
-- with what stood there then, leaves the row due.
ALTER TABLE ledger ADD COLUMN asked integer NOT NULL DEFAULT 0;

-- The last row of a record and field is in force, the others are its history.
CREATE TABLE edits (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id  bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    field      text NOT NULL CHECK (field IN ('title', 'transcript')),
    value      text,                         -- NULL: taken back
    previous   text,                         -- what stood there before; NULL: nothing
    edited_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX edits_record ON edits (record_id, field, id DESC);

-- Tags that people took off a record: no model puts them back.
CREATE TABLE removed_tags (
    record_id   bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    tag         text NOT NULL,
    removed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (record_id, tag)
);

-- Values that came in with somebody's tag leave with the last record that has them.
ALTER TABLE vocabulary ADD COLUMN by_tag boolean NOT NULL DEFAULT false;
