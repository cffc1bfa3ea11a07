-- A transaction that notifies commits alone: with a notification for each end of a job, a third as many jobs ended in
-- a second. So jobs are told of only while somebody follows some: whoever does shares an advisory lock, 1802857071,
-- which nothing else takes for longer than this look at it.
CREATE OR REPLACE FUNCTION tell_of_job_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_lock(1802857071) THEN
        PERFORM pg_advisory_unlock(1802857071);
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('keepsake_job_states', coalesce(OLD.owner_id, 0) || ' ' || OLD.id || ' job deleted');
    ELSE
        PERFORM pg_notify('keepsake_job_states', coalesce(NEW.owner_id, 0) || ' ' || NEW.id || ' job ' || NEW.status);
    END IF;
    RETURN NULL;
END $$;
