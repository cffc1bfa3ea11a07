-- The running journal: activities as they came, and what is made of them.

-- What is known of a runner beside the activities.
CREATE TABLE runners (
    owner_id        bigint PRIMARY KEY REFERENCES owners ON DELETE CASCADE,
    max_heart_rate  smallint CHECK (max_heart_rate BETWEEN 100 AND 240)  -- beats a minute; NULL: the highest seen
);

CREATE TABLE activity_files (
    record_id  bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    file_key   text NOT NULL,                -- the file as it came: its object
    file_name  text NOT NULL,
    format     text NOT NULL CHECK (format IN ('fit', 'gpx', 'tcx')),
    sha256     text NOT NULL,                -- of the unpacked file
    title      text,                         -- the runner's own name for it
    sport      text                          -- as an archive lists it: used where the file names none
);
CREATE INDEX activity_files_sha256 ON activity_files (sha256);

-- The facts of an activity, computed from its file.
CREATE TABLE activities (
    record_id        bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    owner_id         bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    sport            text NOT NULL,
    started_at       timestamptz NOT NULL,
    distance         double precision NOT NULL,   -- metres
    elapsed          double precision NOT NULL,   -- seconds
    moving           double precision NOT NULL,   -- seconds
    ascent           double precision,            -- metres
    descent          double precision,            -- metres
    heart_rate       double precision,            -- beats a minute, mean over moving time
    max_heart_rate   smallint,
    cadence          double precision,            -- steps a minute
    drift            double precision,            -- per cent, pace to heart rate, second half against first
    splits           jsonb NOT NULL,              -- one a kilometre
    zones            jsonb NOT NULL,              -- seconds in each of five heart-rate zones; empty without heart rate
    best_efforts     jsonb NOT NULL,              -- fastest seconds by distance in metres
    issues           jsonb NOT NULL               -- what was wrong in the file and was mended or left out
);
CREATE INDEX activities_owner ON activities (owner_id, started_at DESC);

CREATE TABLE letters (
    record_id  bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    letter     text NOT NULL                 -- plain text
);

CREATE TABLE coaching_insights (
    record_id       bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    heart_rate      text NOT NULL,
    pacing          text NOT NULL,
    recommendation  text NOT NULL
);

-- What an owner's week came to: one page a week.
CREATE TABLE weekly_digests (
    owner_id   bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    week       date NOT NULL,                -- its Monday
    facts      jsonb NOT NULL,
    page_key   text NOT NULL,                -- the HTML page: its object
    made_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, week)
);

-- Where an owner's running is going, a row a month.
CREATE TABLE trends (
    owner_id  bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    month     date NOT NULL,                 -- its first day
    facts     jsonb NOT NULL,
    made_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, month)
);

INSERT INTO steps (line, name, tiered) VALUES
    ('running', 'activities', false),
    ('running', 'letters', true),
    ('running', 'coaching_insights', true);
