-- Webhooks: what happens to an owner's records and jobs is posted to addresses that it names. An
-- event is told in the transaction in which it happens, by triggers: whatever makes it happen need
-- not know of webhooks, and nothing that does can forget to tell. Each message is a job.

CREATE TABLE webhook_endpoints (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id          bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    url               text NOT NULL CHECK (length(url) <= 2000),
    description       text NOT NULL DEFAULT '',
    events            text[] NOT NULL DEFAULT '{}',  -- types; none: all of them
    mode              text NOT NULL DEFAULT 'standard' CHECK (mode IN ('standard', 'trigger')),
    created_at        timestamptz NOT NULL DEFAULT now(),
    disabled_at       timestamptz,                   -- gets no messages since
    disabled_reason   text CHECK (disabled_reason IN ('by_hand', 'gone', 'failing')),
    last_success_at   timestamptz,
    first_failure_at  timestamptz,                   -- since when it has done nothing but fail
    failures          integer NOT NULL DEFAULT 0,    -- in a row
    throttled_until   timestamptz,                   -- nothing is sent before
    UNIQUE (id, owner_id)
);
CREATE INDEX webhook_endpoints_of ON webhook_endpoints (owner_id);

-- What messages are signed with. It is needed in clear; the role of the API may write it and not read it.
CREATE TABLE webhook_secrets (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id  bigint NOT NULL,
    owner_id     bigint NOT NULL,
    secret       text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    signs_until  timestamptz,                        -- NULL: it is the current one
    FOREIGN KEY (endpoint_id, owner_id) REFERENCES webhook_endpoints (id, owner_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX webhook_secrets_current ON webhook_secrets (endpoint_id) WHERE signs_until IS NULL;
CREATE INDEX webhook_secrets_of ON webhook_secrets (endpoint_id);

-- What came of each attempt at a message, beside its row in `job_attempts`.
CREATE TABLE webhook_attempts (
    job_id       bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
    owner_id     bigint NOT NULL,
    attempt      integer NOT NULL,
    http_status  smallint,                           -- NULL: there was no answer
    seconds      real NOT NULL,                      -- until there was
    PRIMARY KEY (job_id, attempt)
);

-- Messages that came in, by their ids, for as long as they could be repeated.
CREATE TABLE received_webhooks (
    id           text PRIMARY KEY,
    received_at  timestamptz NOT NULL DEFAULT now(),
    kept_until   timestamptz NOT NULL
);
CREATE INDEX received_webhooks_kept ON received_webhooks (kept_until);

-- The messages of an endpoint, newest first.
CREATE INDEX jobs_webhooks ON jobs (concurrency_key, id) WHERE type = 'send_webhook';

-- Submit a message for each endpoint of an owner that asks for such events; or for one, whether it asks
-- or not. The values are those of the type `send_webhook`; a test holds the two together. Workers are
-- not notified: a transaction that notifies commits alone, and they look every second.
CREATE FUNCTION tell_webhooks(of_owner bigint, event text, about jsonb, to_endpoint bigint DEFAULT NULL)
RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    message text := 'msg_' || replace(gen_random_uuid()::text, '-', '');
    body text := jsonb_build_object(
        'id', message, 'type', event, 'data', about,
        'timestamp', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
    schedule jsonb := '{"attempts": 10,
                        "pauses": [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]}';
BEGIN
    RETURN QUERY INSERT INTO jobs (owner_id, type, tag, executor, data, due_at, attempts_left, retry,
                                   timeout, concurrency_key, has_turn)
    SELECT of_owner, 'send_webhook', format('webhook/%s/%s', e.id, message), 'internal',
           jsonb_build_object('endpoint_id', e.id, 'message_id', message, 'event', event, 'body', body),
           CASE WHEN to_endpoint IS NULL THEN greatest(now(), e.throttled_until) ELSE now() END,
           CASE WHEN to_endpoint IS NULL THEN 10 ELSE 1 END,
           CASE WHEN to_endpoint IS NULL THEN schedule ELSE '{"attempts": 1}' END,
           interval '1 minute', 'webhook/' || e.id, false
    FROM webhook_endpoints e
    JOIN owners o ON o.id = e.owner_id  -- which is gone first where an owner is deleted
    WHERE e.owner_id = of_owner
      AND CASE WHEN to_endpoint IS NULL THEN e.disabled_at IS NULL AND (e.events = '{}' OR event = ANY(e.events))
               ELSE e.id = to_endpoint END
    RETURNING id;
END $$;

CREATE FUNCTION tell_of_added_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhooks(owner_id, 'record.added',
                          jsonb_build_object('record_id', id, 'line', line, 'batch_id', batch_id))
    FROM added WHERE owner_id IN (SELECT e.owner_id FROM webhook_endpoints e WHERE e.disabled_at IS NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_added_records AFTER INSERT ON records
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tell_of_added_records();

CREATE FUNCTION tell_of_deleted_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhooks(owner_id, 'record.deleted', jsonb_build_object('record_id', id, 'line', line))
    FROM deleted WHERE owner_id IN (SELECT e.owner_id FROM webhook_endpoints e WHERE e.disabled_at IS NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_deleted_records AFTER DELETE ON records
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION tell_of_deleted_records();

-- States of records are named as the API names them: COMPLETED, PARTIAL_SUCCESS, FAILED.
-- A record is done with the statement that finishes a step of it and leaves nothing due. One run at a time
-- works on a record, so no two statements each leave the last step to the other.
CREATE FUNCTION tell_of_done_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.disabled_at IS NULL
                   AND e.owner_id IN (SELECT owner_id FROM changed)) THEN
        RETURN NULL;  -- by far the most frequent case: the statement below takes its time to begin
    END IF;
    PERFORM tell_webhooks(c.owner_id, CASE r.status WHEN 'FAILED' THEN 'record.failed' ELSE 'record.completed' END,
                          jsonb_build_object('record_id', c.record_id, 'line', r.line, 'status', r.status,
                                             'steps_succeeded', r.succeeded, 'steps_failed', r.failed))
    FROM (SELECT DISTINCT record_id, owner_id FROM changed
          WHERE status IN ('succeeded', 'failed') AND finished_at = now()
            AND owner_id IN (SELECT e.owner_id FROM webhook_endpoints e WHERE e.disabled_at IS NULL)) AS c
    CROSS JOIN LATERAL (SELECT * FROM record_status s WHERE s.record_id = c.record_id) AS r
    WHERE r.status IN ('COMPLETED', 'PARTIAL_SUCCESS', 'FAILED');
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_done_records AFTER UPDATE ON ledger
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tell_of_done_records();

CREATE FUNCTION tell_of_done_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhooks(NEW.owner_id, 'batch.completed',
                          jsonb_build_object('batch_id', NEW.id, 'line', NEW.line, 'created', NEW.created,
                                             'duplicates', NEW.duplicates, 'rejected', NEW.rejected));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_done_batch AFTER UPDATE ON batches FOR EACH ROW
    WHEN (OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL) EXECUTE FUNCTION tell_of_done_batch();

CREATE FUNCTION tell_of_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhooks(NEW.owner_id, 'story.' || NEW.state,
                          jsonb_build_object('record_id', NEW.record_id));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_new_approval AFTER INSERT ON story_visibility FOR EACH ROW
    EXECUTE FUNCTION tell_of_approval();
CREATE TRIGGER tell_of_approval AFTER UPDATE ON story_visibility FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION tell_of_approval();

-- An episode is published once it has its sound and is in the feed: by the family's policy, or by hand.
CREATE FUNCTION tell_of_episode() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhooks(p.owner_id, 'episode.published', jsonb_build_object('record_id', p.record_id))
    FROM podcasts p
    LEFT JOIN story_visibility v ON v.record_id = p.record_id
    LEFT JOIN feeds ON feeds.owner_id = p.owner_id
    WHERE p.record_id = NEW.record_id
      AND coalesce(v.state = 'approved', coalesce(feeds.policy, 'all') = 'all')
      AND p.owner_id IN (SELECT e.owner_id FROM webhook_endpoints e WHERE e.disabled_at IS NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_episode AFTER INSERT ON podcasts FOR EACH ROW EXECUTE FUNCTION tell_of_episode();
CREATE TRIGGER tell_of_new_approved_episode AFTER INSERT ON story_visibility FOR EACH ROW
    WHEN (NEW.state = 'approved') EXECUTE FUNCTION tell_of_episode();
CREATE TRIGGER tell_of_approved_episode AFTER UPDATE ON story_visibility FOR EACH ROW
    WHEN (NEW.state = 'approved' AND OLD.state <> NEW.state) EXECUTE FUNCTION tell_of_episode();

-- Of an owner's jobs. Those of webhooks would tell of themselves without end.
CREATE FUNCTION tell_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints e WHERE e.owner_id = NEW.owner_id AND e.disabled_at IS NULL) THEN
        PERFORM tell_webhooks(
            NEW.owner_id,
            CASE NEW.status WHEN 'running' THEN 'job.started' WHEN 'succeeded' THEN 'job.succeeded'
                            WHEN 'cancelled' THEN 'job.cancelled' ELSE 'job.failed' END,
            jsonb_build_object('job_id', NEW.id, 'job_type', NEW.type, 'status', NEW.status,
                               'attempt', NEW.attempt, 'run_id', NEW.run_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_job AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND NEW.status <> 'pending' AND NEW.owner_id IS NOT NULL
          AND NEW.type <> 'send_webhook')
    EXECUTE FUNCTION tell_of_job();
