-- What came in, and what was done to it: the part that every line shares.

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

-- Whoever records belong to: a family, later a user. Every tenant is one row here.
CREATE TABLE owners (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug        text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    name        text NOT NULL,
    time_zone   text NOT NULL DEFAULT 'UTC',
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- One row per thing a person gave us. Its own data is in its line's table.
CREATE TABLE records (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line          text NOT NULL,
    owner_id      bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    external_id   text NOT NULL,             -- the sender's name for it: adding it twice adds it once
    recorded_at   timestamptz NOT NULL,      -- decides the partition
    received_at   timestamptz NOT NULL DEFAULT now(),
    priority      smallint NOT NULL DEFAULT 0,
    content_hash  text NOT NULL,             -- of everything a step reads from the line's own table
    UNIQUE (line, owner_id, external_id)
);
CREATE INDEX records_partition ON records (line, recorded_at);

-- The steps that a new record of a line goes through. A migration that adds a step adds its row.
CREATE TABLE steps (
    line  text NOT NULL,
    name  text NOT NULL,
    PRIMARY KEY (line, name)
);

-- One row per record and step. A result exists if and only if its row says `succeeded`.
--   pending    to do at due_at; without due_at it waits for a step it needs, or for a backfill
--   running    in the hands of run_id; still due, so that a run that dies loses nothing
--   succeeded  the result is stored; due again only if someone asked for it anew
--   failed     for good, until someone retries it
CREATE TABLE ledger (
    record_id           bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    step                text NOT NULL,
    line                text NOT NULL,
    status              text NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'running', 'succeeded', 'failed')),
    due_at              timestamptz,
    attempts            smallint NOT NULL DEFAULT 0,  -- tries of the step itself
    deferrals           smallint NOT NULL DEFAULT 0,  -- times put off because an endpoint was down
    crashes             smallint NOT NULL DEFAULT 0,  -- runs that died while they held it
    input_fingerprint   text,   -- step version, models and what it was made from
    output_fingerprint  text,   -- what was made
    models              text[] NOT NULL DEFAULT '{}',
    calls               integer NOT NULL DEFAULT 0,
    tokens_in           bigint NOT NULL DEFAULT 0,
    tokens_out          bigint NOT NULL DEFAULT 0,
    audio_seconds       real NOT NULL DEFAULT 0,
    characters          integer NOT NULL DEFAULT 0,
    seconds             real,
    error_type          text,
    error_message       text,
    run_id              text,
    started_at          timestamptz,
    finished_at         timestamptz,
    PRIMARY KEY (record_id, step),
    CHECK (status <> 'failed' OR due_at IS NULL)
);
-- Read on every sensor tick: only what is open is in it.
CREATE INDEX ledger_due ON ledger (line, due_at DESC) INCLUDE (record_id, step)
    WHERE due_at IS NOT NULL;
CREATE INDEX ledger_failed ON ledger (line, step) WHERE status = 'failed';

-- A record's status is what its ledger rows say, never a second truth.
CREATE VIEW record_status AS
SELECT record_id, line, pending, running, succeeded, failed,
       CASE
           WHEN running > 0 OR (due > 0 AND succeeded + failed > 0) THEN 'PROCESSING'
           WHEN due > 0                                             THEN 'PENDING'
           WHEN failed > 0 AND succeeded = 0                        THEN 'FAILED'
           WHEN failed > 0                                          THEN 'PARTIAL_SUCCESS'
           WHEN succeeded > 0                                       THEN 'COMPLETED'
           ELSE 'PENDING'
       END AS status
FROM (
    SELECT record_id, line,
           count(*) FILTER (WHERE status = 'pending')   AS pending,
           count(*) FILTER (WHERE status = 'running')   AS running,
           count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE status = 'failed')    AS failed,
           count(*) FILTER (WHERE due_at IS NOT NULL)   AS due
    FROM ledger GROUP BY record_id, line
) AS counted;
