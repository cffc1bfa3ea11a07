-- What changes is told to whoever listens on `keepsake_steps`: lines of owner, record, step and status,
-- of ids and states alone. Once a statement, not once a row: a run writes many steps at once. New
-- records are not told: a transaction that notifies commits alone, and thousands may come in a second.
CREATE FUNCTION tell_of_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM changed) > 1000 THEN  -- whoever listens reads the state
        PERFORM pg_notify('keepsake_steps', owner_id || ' * * *')
        FROM (SELECT DISTINCT owner_id FROM changed) AS owners;
    ELSE  -- a notification takes 8,000 bytes
        PERFORM pg_notify('keepsake_steps', string_agg(line, E'\n'))
        FROM (SELECT owner_id || ' ' || record_id || ' ' || step || ' ' || status AS line,
                     row_number() OVER () / 60 AS part FROM changed) AS lines GROUP BY part;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_steps AFTER UPDATE ON ledger
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tell_of_steps();

CREATE FUNCTION tell_of_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('keepsake_steps', string_agg(line, E'\n'))
    FROM (SELECT owner_id || ' ' || id || ' * deleted' AS line,
                 row_number() OVER () / 60 AS part FROM deleted) AS lines GROUP BY part;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_deleted AFTER DELETE ON records
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION tell_of_deleted();
