-- Webhooks name the states of records as the API does: COMPLETED, PARTIAL_SUCCESS, FAILED.
CREATE OR REPLACE FUNCTION tell_of_done_records() RETURNS trigger LANGUAGE plpgsql AS $$
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
