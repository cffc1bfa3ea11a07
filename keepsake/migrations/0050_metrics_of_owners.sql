-- Pages of an owner look at a few metrics over weeks, and at all of them for a day: the metric comes
-- before the time.
ALTER TABLE owner_metrics
    DROP CONSTRAINT owner_metrics_pkey, ADD PRIMARY KEY (owner_id, metric, at, labels);
