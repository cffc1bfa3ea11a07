-- One outbox for all that is sent to people. A message is enqueued in the transaction of what it is
-- about, and claimed before it is sent: so it is sent at most once, and never lost without a trace.

CREATE TABLE outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id        bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    channel         text NOT NULL DEFAULT 'apprise',  -- what sends it
    kind            text NOT NULL,                    -- daily_quote, interview_prompts, import
    idempotency_key text NOT NULL,                    -- of what it is about: daily_quote/2026-11-20
    record_id       bigint REFERENCES records ON DELETE SET NULL,
    position        integer,                          -- of the quote in its record
    title           text,
    body            text,                             -- removed once it is sent or has expired
    status          text NOT NULL DEFAULT 'pending' CHECK
        (status IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'expired')),
    attempts        integer NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz,                      -- not sent from then on
    claimed_at      timestamptz,                      -- when the last attempt began
    finished_at     timestamptz,                      -- when it got a status that is final
    detail          text,                             -- how the last attempt went; no content
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner_id, channel, idempotency_key),
    CHECK (status <> 'pending' OR body IS NOT NULL)
);
CREATE INDEX outbox_open ON outbox (due_at, id) WHERE status IN ('pending', 'sending');
CREATE INDEX outbox_failed ON outbox (finished_at) WHERE status IN ('failed', 'unknown');
CREATE INDEX outbox_record ON outbox (record_id) WHERE record_id IS NOT NULL;

-- What was sent, or may have been, is not sent again. What had failed and may be tried again is left
-- out where its day or week is not over: it is enqueued again.
INSERT INTO outbox (owner_id, kind, idempotency_key, record_id, position, status, attempts,
                    due_at, expires_at, claimed_at, finished_at, detail, created_at)
SELECT family_id, kind, kind || '/' || day, record_id, position,
       CASE WHEN status = 'sending' THEN 'unknown'
            WHEN status = 'failed' AND attempts < 3 THEN 'expired' ELSE status END,
       attempts, d.created_at, until, d.created_at, d.created_at,
       coalesce(detail, 'broke off while it was sent'), d.created_at
FROM deliveries d
JOIN owners o ON o.id = d.family_id
CROSS JOIN LATERAL (
    SELECT (day + CASE WHEN kind = 'interview_prompts' THEN 7 ELSE 1 END)::timestamp
           AT TIME ZONE o.time_zone AS until) AS of
WHERE NOT (status = 'failed' AND attempts < 3 AND until > now())
ORDER BY d.created_at, day;

DROP TABLE deliveries;

INSERT INTO outbox (owner_id, kind, idempotency_key, status, attempts, due_at, claimed_at,
                    finished_at, detail, created_at)
SELECT owner_id, 'import', 'import/' || id,
       CASE WHEN told IS NULL OR told = 'sending' THEN 'unknown'
            WHEN told LIKE 'no address%' THEN 'expired'
            WHEN told LIKE '0 of %' THEN 'failed'
            ELSE 'sent' END,
       1, told_at, told_at, told_at,
       CASE WHEN told IS NULL OR told = 'sending' THEN 'broke off while it was sent' ELSE told END,
       told_at
FROM batches WHERE told_at IS NOT NULL
ORDER BY id;

ALTER TABLE batches DROP COLUMN told;
ALTER TABLE batches RENAME COLUMN told_at TO completed_at;  -- all its records were done
ALTER INDEX batches_untold RENAME TO batches_incomplete;
