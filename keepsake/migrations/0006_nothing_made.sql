-- A step may succeed and find that there was nothing to make (`media` of most bookmarks): then it
-- has no output fingerprint. A record with nothing but such results, and a failure, has failed.
CREATE OR REPLACE VIEW record_status AS
SELECT record_id, line, pending, running, succeeded, failed,
       CASE
           WHEN running > 0 OR (due > 0 AND succeeded + failed > 0) THEN 'PROCESSING'
           WHEN due > 0                                             THEN 'PENDING'
           WHEN failed > 0 AND made = 0                             THEN 'FAILED'
           WHEN failed > 0                                          THEN 'PARTIAL_SUCCESS'
           WHEN succeeded > 0                                       THEN 'COMPLETED'
           ELSE 'PENDING'
       END AS status
FROM (
    SELECT record_id, line,
           count(*) FILTER (WHERE status = 'pending' AND held IS NULL)  AS pending,
           count(*) FILTER (WHERE status = 'running')                   AS running,
           count(*) FILTER (WHERE status = 'succeeded')                 AS succeeded,
           count(*) FILTER (WHERE status = 'succeeded'
                            AND output_fingerprint IS NOT NULL)         AS made,
           count(*) FILTER (WHERE status = 'failed' AND held IS NULL)   AS failed,
           count(*) FILTER (WHERE due_at IS NOT NULL)                   AS due
    FROM ledger GROUP BY record_id, line
) AS counted;
