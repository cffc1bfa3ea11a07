-- What every line shares, since it has more than one owner and costs money: tiers, budgets, costs,
-- batches of imported records, and passages that belong to any line.

-- What an owner may use. Tiers are data: add rows, change them.
CREATE TABLE tiers (
    name            text PRIMARY KEY CHECK (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    monthly_budget  numeric(12, 6) CHECK (monthly_budget >= 0)  -- USD a calendar month (UTC); NULL: no bound
);

-- What a tier allows in a line. A line without a row is not limited.
CREATE TABLE tier_limits (
    tier           text NOT NULL REFERENCES tiers ON DELETE CASCADE ON UPDATE CASCADE,
    line           text NOT NULL,
    newest         integer CHECK (newest > 0),     -- only an owner's newest so many records; NULL: all
    batch          integer CHECK (batch > 0),      -- records of an owner begun together; NULL: any number
    pause_seconds  real NOT NULL DEFAULT 0 CHECK (pause_seconds >= 0),  -- from one batch to the next
    PRIMARY KEY (tier, line)
);

INSERT INTO tiers (name) VALUES ('free'), ('premium');
INSERT INTO tier_limits (tier, line, newest, batch, pause_seconds) VALUES
    ('free', 'running', 20, 5, 2),
    ('premium', 'running', NULL, 10, 2);

ALTER TABLE owners
    ADD COLUMN tier text NOT NULL DEFAULT 'free' REFERENCES tiers ON UPDATE CASCADE,
    ADD COLUMN monthly_budget numeric(12, 6) CHECK (monthly_budget >= 0);  -- instead of the tier's

-- The steps that `newest` of a tier is about; the others are made of every record.
ALTER TABLE steps ADD COLUMN tiered boolean NOT NULL DEFAULT false;

ALTER TABLE ledger
    -- Why nobody makes it, whoever asks: `tier`, beyond what the owner's tier covers; `off`, its
    -- step is switched off. What lifts the hold makes it due.
    ADD COLUMN held text CHECK (held IN ('tier', 'off')),
    -- USD of all its attempts; NULL if a model that was used has no price.
    ADD COLUMN cost numeric(14, 8) DEFAULT 0,
    ADD CONSTRAINT ledger_held_is_not_due CHECK (held IS NULL OR due_at IS NULL);
UPDATE ledger SET cost = NULL WHERE calls > 0;  -- made before prices were kept
CREATE INDEX ledger_held ON ledger (line, held) WHERE held IS NOT NULL;

-- What is held is neither open nor failed: a record whose other steps are made is complete.
CREATE OR REPLACE VIEW record_status AS
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
           count(*) FILTER (WHERE status = 'pending' AND held IS NULL)  AS pending,
           count(*) FILTER (WHERE status = 'running')                   AS running,
           count(*) FILTER (WHERE status = 'succeeded')                 AS succeeded,
           count(*) FILTER (WHERE status = 'failed' AND held IS NULL)   AS failed,
           count(*) FILTER (WHERE due_at IS NOT NULL)                   AS due
    FROM ledger GROUP BY record_id, line
) AS counted;

-- What was spent, a row a day: survives the records it was spent on, and what budgets are held to.
CREATE TABLE spending (
    owner_id       bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    day            date NOT NULL,             -- UTC
    line           text NOT NULL,
    step           text NOT NULL,
    model          text NOT NULL,
    calls          bigint NOT NULL DEFAULT 0,
    tokens_in      bigint NOT NULL DEFAULT 0,
    tokens_out     bigint NOT NULL DEFAULT 0,
    audio_seconds  double precision NOT NULL DEFAULT 0,
    characters     bigint NOT NULL DEFAULT 0,
    cost           numeric(14, 8) DEFAULT 0,  -- USD; NULL if the model has no price
    PRIMARY KEY (owner_id, day, line, step, model)
);

-- Records that were taken in together; the owner hears when all of them are done.
CREATE TABLE batches (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id    bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    line        text NOT NULL,
    name        text NOT NULL,                -- of the file or folder it came from
    added       integer NOT NULL DEFAULT 0,   -- new records
    known       integer NOT NULL DEFAULT 0,   -- recognised as there already
    refused     integer NOT NULL DEFAULT 0,   -- no record could be made of them
    started_at  timestamptz NOT NULL DEFAULT now(),
    taken_in_at timestamptz,                  -- the import is over
    told_at     timestamptz,                  -- all was done and the owner was told
    told        text                          -- how telling went
);
CREATE INDEX batches_untold ON batches (taken_in_at) WHERE told_at IS NULL;

ALTER TABLE records ADD COLUMN batch_id bigint REFERENCES batches ON DELETE SET NULL;
CREATE INDEX records_batch ON records (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX records_owner ON records (owner_id, line, recorded_at DESC);

-- Passages of any line: a search looks at those of one owner.
ALTER TABLE passages RENAME COLUMN family_id TO owner_id;
ALTER TABLE passages DROP CONSTRAINT passages_family_id_fkey;
ALTER TABLE passages ADD FOREIGN KEY (owner_id) REFERENCES owners ON DELETE CASCADE;
ALTER INDEX passages_family RENAME TO passages_owner;
