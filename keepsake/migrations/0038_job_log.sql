-- What a job's attempts and its worker said: ids and counts, no content. The newest lines of each job.
CREATE TABLE job_log (
    id        bigint GENERATED ALWAYS AS IDENTITY,  -- also the order of a job's lines
    job_id    bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
    owner_id  bigint,
    attempt   integer NOT NULL,
    at        timestamptz NOT NULL,
    level     text NOT NULL,                        -- as Python's: INFO, WARNING, ERROR
    message   text NOT NULL,
    PRIMARY KEY (job_id, id)
);
