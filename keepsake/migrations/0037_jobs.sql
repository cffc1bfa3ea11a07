-- Tracked jobs: every piece of work that is asked for, now, later or by a schedule, is a row. The
-- rows of the system's own jobs have no owner, and no role of an owner sees them.

CREATE SEQUENCE job_workers;  -- ids of processes that run jobs; each holds an advisory lock

CREATE TABLE job_schedules (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id     bigint REFERENCES owners ON DELETE CASCADE,
    user_id      bigint REFERENCES users ON DELETE SET NULL,
    tag          text NOT NULL,                -- its name, and the tag of its jobs
    type         text NOT NULL,
    data         jsonb NOT NULL DEFAULT '{}',
    expression   text NOT NULL,                -- cron, five fields
    time_zone    text NOT NULL,                -- IANA
    missed       text NOT NULL CHECK (missed IN ('skip', 'once', 'catch_up')),
    overlap      text NOT NULL CHECK (overlap IN ('skip', 'queue', 'cancel_running')),
    paused       boolean NOT NULL DEFAULT false,
    next_at      timestamptz NOT NULL,         -- the next nominal time
    last_at      timestamptz,                  -- the last nominal time that made a job
    skipped      bigint NOT NULL DEFAULT 0,    -- times that made none, since a job was under way
    problem      text,                         -- why it was paused by itself
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner_id, tag)
);
CREATE INDEX job_schedules_next ON job_schedules (next_at) WHERE NOT paused;

CREATE TABLE jobs (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id         bigint REFERENCES owners ON DELETE CASCADE,
    user_id          bigint REFERENCES users ON DELETE SET NULL,      -- who asked for it
    parent_id        bigint REFERENCES jobs ON DELETE SET NULL,       -- the job that asked for it
    schedule_id      bigint REFERENCES job_schedules ON DELETE SET NULL,
    nominal_time     timestamptz,              -- of its schedule
    type             text NOT NULL,
    tag              text,                     -- one of an owner and tag waits for its first start
    executor         text NOT NULL CHECK (executor IN ('internal', 'dagster')),
    data             jsonb NOT NULL DEFAULT '{}',
    metadata         jsonb NOT NULL DEFAULT '{}',
    tags             text[] NOT NULL DEFAULT '{}',
    priority         smallint NOT NULL DEFAULT 0 CHECK (priority IN (-10, 0, 10)),
    status           text NOT NULL DEFAULT 'pending' CHECK
        (status IN ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'expired',
                    'timed_out', 'orphaned')),
    due_at           timestamptz NOT NULL DEFAULT now(),
    expires_at       timestamptz,              -- not started from then on
    -- Attempts that have begun. It is the fencing token: what an attempt writes names its number.
    attempt          integer NOT NULL DEFAULT 0,
    attempts_left    integer NOT NULL DEFAULT 1,
    retry            jsonb NOT NULL DEFAULT '{}',
    timeout          interval NOT NULL DEFAULT '1 hour',  -- of an attempt
    concurrency_key  text,                     -- of those with one key, one runs at a time:
    has_turn         boolean NOT NULL DEFAULT true,  -- the one whose turn it is
    worker_id        bigint,                   -- which runs the attempt, or ran the last
    run_id           text,                     -- of Dagster
    last_synced_at   timestamptz,              -- when its run was last looked at
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,              -- the last attempt
    finished_at      timestamptz,
    success          boolean GENERATED ALWAYS AS
        (CASE WHEN finished_at IS NOT NULL THEN status = 'succeeded' END) STORED,
    result           jsonb,
    error_type       text,                     -- of the last attempt
    error            text,                     -- what to do; no content
    cancel_requested boolean NOT NULL DEFAULT false,
    persistent       boolean NOT NULL DEFAULT false,
    removal_delay    interval NOT NULL DEFAULT '30 days',
    remove_at        timestamptz,              -- NULL while it is not finished, or persistent
    CHECK ((finished_at IS NULL) = (status IN ('pending', 'running'))),
    CHECK (status <> 'running' OR attempt > 0),
    CHECK (has_turn OR concurrency_key IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- One pending job a tag. The tag is an owner's: two owners may use the same word, and neither learns
-- of the other. A job that waits for another attempt has begun, and is not in the index: it can
-- never collide with one that was submitted while it ran. Nor are the jobs of schedules, whose
-- overlap policy decides.
CREATE UNIQUE INDEX jobs_one_pending ON jobs (owner_id, tag) NULLS NOT DISTINCT
    WHERE status = 'pending' AND attempt = 0 AND nominal_time IS NULL AND tag IS NOT NULL;
-- The pending job of a tag, also one that waits for another attempt.
CREATE INDEX jobs_pending_tag ON jobs (tag) WHERE status = 'pending' AND tag IS NOT NULL;
-- Once a nominal time, whatever fires it.
CREATE UNIQUE INDEX jobs_nominal ON jobs (schedule_id, nominal_time) WHERE schedule_id IS NOT NULL;
CREATE INDEX jobs_scheduled ON jobs (schedule_id)
    WHERE schedule_id IS NOT NULL AND status IN ('pending', 'running');
-- What is claimed next: the range of one priority up to now, in order. What is not due costs nothing.
CREATE INDEX jobs_claim ON jobs (executor, priority, due_at, id)
    WHERE status = 'pending' AND has_turn;
-- One job of a key has the turn, until it ends. Those that wait for theirs are not in the way of a
-- claim, however many they are.
CREATE UNIQUE INDEX jobs_turn ON jobs (concurrency_key)
    WHERE status IN ('pending', 'running') AND has_turn AND concurrency_key IS NOT NULL;
CREATE INDEX jobs_turns ON jobs (concurrency_key, priority DESC, due_at, id)
    WHERE status = 'pending' AND NOT has_turn;
CREATE INDEX jobs_expiry ON jobs (expires_at)
    WHERE status = 'pending' AND attempt = 0 AND expires_at IS NOT NULL;
CREATE INDEX jobs_running ON jobs (worker_id) WHERE status = 'running';
CREATE INDEX jobs_removal ON jobs (remove_at) WHERE remove_at IS NOT NULL;
-- Lists, newest first.
CREATE INDEX jobs_owner ON jobs (owner_id, id);
CREATE INDEX jobs_type ON jobs (type, id);
CREATE INDEX jobs_status ON jobs (status, id);
CREATE INDEX jobs_tag ON jobs (tag, id) WHERE tag IS NOT NULL;
CREATE INDEX jobs_parent ON jobs (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX jobs_user ON jobs (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX jobs_metadata ON jobs USING gin (metadata jsonb_path_ops, tags);

-- Attempts that have ended. The one that runs is in its job's row.
CREATE TABLE job_attempts (
    job_id       bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
    owner_id     bigint,
    attempt      integer NOT NULL,
    worker_id    bigint,
    run_id       text,
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz NOT NULL DEFAULT now(),
    outcome      text NOT NULL CHECK
        (outcome IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'orphaned', 'given_back')),
    error_type   text,
    error        text,
    PRIMARY KEY (job_id, attempt)
);
