-- What becomes of jobs is told to whoever listens on `keepsake_job_states`: owner (0: the system), job and status.
-- Once a change of status; an attempt that begins or ends is a transaction of its own, so it is one notification.
-- New messages of webhooks are not told: a transaction that notifies commits alone, and thousands of records
-- may come in a second.
CREATE FUNCTION tell_of_job_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
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
