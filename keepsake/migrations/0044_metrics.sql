-- Figures about the work, in the database since runs come and go, and each of them counts.

-- What was counted since the beginning, over all owners: written in the transaction of what it
-- counts, never deleted and never less. A series is a row a shard, so that runs which end steps at
-- the same time seldom wait for each other; its value is the sum. A histogram is a row a bucket
-- (`..._bucket`, not cumulative, its bound the last label) and one for the sum (`..._sum`).
CREATE TABLE metric_totals (
    metric       text NOT NULL,              -- as keepsake/metrics/catalogue.py names it
    labels       text NOT NULL,              -- values in the catalogue's order, joined by U+001F
    shard        smallint NOT NULL,
    value        double precision NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    exemplar_run text,                       -- the run that added last to this bucket,
    exemplar     double precision,           -- what it measured,
    exemplar_at  timestamptz,                -- and when
    PRIMARY KEY (metric, labels, shard)
) WITH (fillfactor = 50);                    -- no index holds what an update changes

-- The same for one owner, by five minutes: what its pages, limits and alerts look at. Old rows are
-- merged into hours, and deleted when they are older still.
CREATE TABLE owner_metrics (
    owner_id  bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    at        timestamptz NOT NULL,          -- when the five minutes, or the hour, began
    metric    text NOT NULL,
    labels    text NOT NULL,
    value     double precision NOT NULL,
    PRIMARY KEY (owner_id, at, metric, labels)
) WITH (fillfactor = 70);
CREATE INDEX owner_metrics_at ON owner_metrics USING brin (at);

-- All totals as they were once a minute: the difference of two is what came in between. Thinned out
-- with age.
CREATE TABLE metric_snapshots (
    at      timestamptz PRIMARY KEY,
    totals  jsonb NOT NULL                   -- {metric: {labels: value}}
);

-- What was measured from outside, the newest of each: the daemon's heartbeat, the size of a store.
CREATE TABLE probes (
    metric       text NOT NULL,
    labels       text NOT NULL,
    value        double precision,           -- NULL: it could not be measured
    error        text,                       -- why
    measured_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (metric, labels),
    CHECK ((value IS NULL) = (error IS NOT NULL))
);
