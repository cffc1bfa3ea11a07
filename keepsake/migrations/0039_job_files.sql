-- A file of a job: one that it is to take in, or one that it has made. The object leaves the store with the row,
-- and the row with the job.
CREATE TABLE job_files (
    job_id      bigint PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    owner_id    bigint NOT NULL,
    object_key  text NOT NULL UNIQUE,
    name        text NOT NULL,               -- what people call it
    size_bytes  bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION note_job_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO loose_objects (key, owner_id) VALUES (OLD.object_key, OLD.owner_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER note_job_file AFTER DELETE ON job_files FOR EACH ROW EXECUTE FUNCTION note_job_file();
