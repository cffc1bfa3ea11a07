-- Alerts: what people want to be told of, what was found, and what became of it.

CREATE TABLE alert_rules (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id          bigint REFERENCES owners ON DELETE CASCADE,  -- NULL: about the whole system
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    metric            text NOT NULL,         -- as keepsake/monitoring/alerts/rules.py lists them
    window_seconds    integer NOT NULL DEFAULT 300 CHECK (window_seconds > 0),
    comparison        text NOT NULL DEFAULT 'above' CHECK (comparison IN ('above', 'below')),
    threshold         double precision NOT NULL,
    clear_at          double precision,      -- the value at which an alert ends; NULL: the threshold
    for_seconds       integer NOT NULL DEFAULT 0 CHECK (for_seconds >= 0),
    severity          text NOT NULL DEFAULT 'medium'
                      CHECK (severity IN ('critical', 'high', 'medium', 'low')),
    cooldown_seconds  integer NOT NULL DEFAULT 300 CHECK (cooldown_seconds >= 0),
    least_events      integer NOT NULL DEFAULT 0 CHECK (least_events >= 0),
    enabled           boolean NOT NULL DEFAULT true,
    built_in          boolean NOT NULL DEFAULT false,
    muted_until       timestamptz,           -- people are not told before
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner_id, name)
);

-- One row for each time that a rule applied to a subject; one that has not ended is open. A pending
-- one that ends without having fired is deleted.
CREATE TABLE alerts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id     bigint REFERENCES owners ON DELETE CASCADE,       -- as the rule has it
    rule_id      bigint NOT NULL REFERENCES alert_rules ON DELETE CASCADE,
    subject      text NOT NULL DEFAULT '',   -- which of those that a rule is about; '': there is one
    state        text NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    value        double precision,           -- when it was last measured
    detail       text NOT NULL DEFAULT '',   -- what made it so: names and counts
    error        text,                       -- why it cannot be measured, where that is the alert
    since        timestamptz NOT NULL,       -- when the rule began to apply
    fired_at     timestamptz,
    resolved_at  timestamptz,
    notified_at  timestamptz,                -- NULL: muted, or within the cooldown of the one before
    CHECK ((state = 'pending') = (fired_at IS NULL)),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
);
CREATE UNIQUE INDEX alerts_open ON alerts (rule_id, subject) WHERE state <> 'resolved';
CREATE INDEX alerts_notified ON alerts (rule_id, subject, notified_at);
CREATE INDEX alerts_newest ON alerts (owner_id, since);

-- What happened to alerts and rules, in order. No references but to the owner: it outlives them.
CREATE TABLE alert_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    owner_id    bigint REFERENCES owners ON DELETE CASCADE,
    rule_id     bigint NOT NULL,
    rule_name   text NOT NULL,
    alert_id    bigint,                      -- NULL: what was done to the rule
    subject     text NOT NULL DEFAULT '',
    from_state  text,                        -- NULL: there was no alert
    to_state    text,                        -- NULL: it ended without having fired
    value       double precision,
    detail      text NOT NULL DEFAULT ''
);
CREATE INDEX alert_log_owner ON alert_log (owner_id, id);
CREATE INDEX alert_log_at ON alert_log (at);
