-- What becomes of jobs is told to whoever listens on `keepsake_job_states`: owner (0: the system), job and status.
-- Once a change of status; an attempt that begins or ends is a transaction of its own, so it is one notification.
-- A transaction that notifies commits alone: with a notification for each end of a job, a third as many jobs ended in
-- a second. So messages of webhooks, thousands of which may come in a second, are not told, and other jobs only while
-- somebody follows some: whoever does shares an advisory lock, 1802857071, which nothing else takes for longer than
-- this look at it.
CREATE FUNCTION tell_of_job_state() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER tell_of_new_job AFTER INSERT ON jobs FOR EACH ROW
    WHEN (NEW.type <> 'send_webhook') EXECUTE FUNCTION tell_of_job_state();
CREATE TRIGGER tell_of_job_state AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND NEW.type <> 'send_webhook') EXECUTE FUNCTION tell_of_job_state();
CREATE TRIGGER tell_of_deleted_job AFTER DELETE ON jobs FOR EACH ROW
    WHEN (OLD.type <> 'send_webhook') EXECUTE FUNCTION tell_of_job_state();
