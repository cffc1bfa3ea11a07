-- Files of many records that came in over HTTP are taken in by jobs, which lists show, people cancel and workers on any
-- machine run.
ALTER TABLE batches ADD COLUMN job_id bigint UNIQUE REFERENCES jobs ON DELETE SET NULL;

-- Those that were accepted before and are not over. Their files lie in the data folder, where the job looks too.
DO $$
DECLARE
    waiting record;
    job bigint;
BEGIN
    FOR waiting IN
        SELECT i.owner_id, i.batch_id, i.file, b.name
        FROM accepted_imports i JOIN batches b ON b.id = i.batch_id ORDER BY i.batch_id
    LOOP
        INSERT INTO jobs (owner_id, type, executor, attempts_left, retry, timeout, concurrency_key, has_turn)
        VALUES (waiting.owner_id, 'ingest_history', 'internal', 5,
                '{"attempts": 5, "min_seconds": 60, "max_seconds": 600}', '6 hours',
                'ingest_history/' || waiting.owner_id, false)
        RETURNING id INTO job;
        UPDATE batches SET job_id = job WHERE id = waiting.batch_id;
        INSERT INTO job_files (job_id, owner_id, object_key, name, size_bytes)
        VALUES (job, waiting.owner_id, 'imports/' || waiting.file, waiting.name, 0);
    END LOOP;
END $$;
DROP TABLE accepted_imports;

-- An import that was given up is over: its batch says why, and counts what had come in by then. A trigger, since
-- a job also ends where none of its code runs: it is cancelled, or its worker dies.
CREATE FUNCTION close_given_up_import() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE batches b
    SET taken_in_at = now(), rejected = rejected + 1,
        created = (SELECT count(*) FROM records r WHERE r.batch_id = b.id AND r.owner_id = b.owner_id),
        rejections = rejections || jsonb_build_array(jsonb_build_array(
            b.name, CASE WHEN NEW.status IN ('cancelled', 'expired') THEN 'it was ' || NEW.status
                         ELSE NEW.error END))
    WHERE b.job_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER close_given_up_import AFTER UPDATE OF status ON jobs FOR EACH ROW
    WHEN (NEW.type = 'ingest_history' AND OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL
          AND NEW.status <> 'succeeded')
    EXECUTE FUNCTION close_given_up_import();
