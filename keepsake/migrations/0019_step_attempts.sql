-- One row for each attempt at a step, never changed: the history that the ledger, which has one row
-- for each step, cannot keep. Old rows are deleted (ATTEMPTS_KEPT_DAYS). No text of errors.
CREATE TABLE step_attempts (
    record_id   bigint NOT NULL,
    owner_id    bigint NOT NULL,
    step        text NOT NULL,
    attempt     smallint NOT NULL,          -- in its run, from 1
    run_id      text NOT NULL,
    started_at  timestamptz NOT NULL,
    seconds     real NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('succeeded', 'retried', 'deferred', 'failed')),
    error_type  text,
    retryable   boolean,                    -- whether the error may pass by itself; NULL: no error
    models      text[] NOT NULL DEFAULT '{}',
    calls       integer NOT NULL DEFAULT 0,
    tokens_in   bigint NOT NULL DEFAULT 0,
    tokens_out  bigint NOT NULL DEFAULT 0,
    cost        numeric(14, 8) DEFAULT 0,   -- USD; NULL if a model that was used has no price
    -- A record's attempts in the order of time. It is also how a write that is repeated, because
    -- the answer to its COMMIT was lost, finds that it counts already.
    PRIMARY KEY (record_id, started_at, step, attempt),
    FOREIGN KEY (record_id) REFERENCES records ON DELETE CASCADE
);
-- Rows come in the order of time, so a few pages of a BRIN index find the old ones.
CREATE INDEX step_attempts_started ON step_attempts USING brin (started_at);
