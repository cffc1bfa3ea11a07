-- The family line: what its members answer, and what is made of the answers.

CREATE TABLE families (
    id        bigint PRIMARY KEY REFERENCES owners ON DELETE CASCADE,
    language  text NOT NULL DEFAULT 'en'
);

CREATE TABLE members (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    family_id  bigint NOT NULL REFERENCES families ON DELETE CASCADE,
    name       text NOT NULL,
    UNIQUE (family_id, name)
);

-- The values a family tags by. Only people add to it: what a model offers beyond it is merged into
-- the nearest of these or refused, so that tags stay few.
CREATE TABLE vocabulary (
    family_id  bigint NOT NULL REFERENCES families ON DELETE CASCADE,
    value      text NOT NULL,
    added_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (family_id, value)
);

-- Questions to ask a family next, a few each week.
CREATE TABLE interview_prompts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    family_id     bigint NOT NULL REFERENCES families ON DELETE CASCADE,
    question      text NOT NULL,
    question_key  text NOT NULL,             -- the question without case and punctuation
    topic         text,
    week          date,                      -- Monday of the week it was written for
    source        text NOT NULL CHECK (source IN ('human', 'ai')),
    model         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (family_id, question_key)
);

CREATE TABLE responses (
    record_id   bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    family_id   bigint NOT NULL REFERENCES families ON DELETE CASCADE,
    member_id   bigint NOT NULL REFERENCES members ON DELETE CASCADE,
    prompt_id   bigint REFERENCES interview_prompts ON DELETE SET NULL,
    text        text,                        -- a written response
    audio_key   text,                        -- a spoken one: its object
    audio_name  text,                        -- the file name it came with
    CHECK ((text IS NULL) <> (audio_key IS NULL))
);
CREATE INDEX responses_family ON responses (family_id);

CREATE TABLE transcripts (
    record_id  bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    text       text NOT NULL,
    language   text,
    duration   real,                         -- seconds; NULL for a written response
    segments   jsonb NOT NULL,               -- [[text, start, end], ...] in seconds
    words      jsonb NOT NULL,               -- [[text, start, end], ...]; empty if the model gives none
    issues     jsonb NOT NULL,               -- [{"kind", "start", "end", ...}]: loops, silences, truncation
    raw        jsonb NOT NULL                -- the provider's answers as they came
);

CREATE TABLE passages (
    record_id   bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    position    integer NOT NULL,
    family_id   bigint NOT NULL REFERENCES families ON DELETE CASCADE,
    text        text NOT NULL,
    starts_at   real,                        -- seconds into the recording
    ends_at     real,
    model       text NOT NULL,
    dimensions  integer NOT NULL,
    embedding   halfvec NOT NULL,
    search      tsvector GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED,
    PRIMARY KEY (record_id, position),
    CHECK (vector_dims(embedding) = dimensions)
);
CREATE INDEX passages_family ON passages (family_id);
CREATE INDEX passages_search ON passages USING gin (search);
-- The vector index is one per model and length: see keepsake/search.py.

CREATE TABLE value_tags (
    record_id   bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    family_id   bigint NOT NULL,
    value       text NOT NULL,
    source      text NOT NULL CHECK (source IN ('human', 'ai')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (record_id, value),
    FOREIGN KEY (family_id, value) REFERENCES vocabulary ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX value_tags_value ON value_tags (family_id, value);

CREATE TABLE wisdom (
    record_id  bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    position   integer NOT NULL,
    advice     text NOT NULL,
    audience   text NOT NULL,                -- who may use it
    life_area  text NOT NULL,
    support    text NOT NULL,                -- the speaker's words it rests on
    starts_at  real,
    ends_at    real,
    PRIMARY KEY (record_id, position)
);

CREATE TABLE stories (
    record_id  bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    title      text NOT NULL,
    summary    text NOT NULL,
    text       text NOT NULL
);

CREATE TABLE quotes (
    record_id  bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    position   integer NOT NULL,
    text       text NOT NULL,
    starts_at  real,
    ends_at    real,
    clip_key   text,                         -- the speaker's own voice
    PRIMARY KEY (record_id, position)
);

-- What a model offered and a step refused: words nobody said, tags outside the vocabulary.
CREATE TABLE refusals (
    record_id  bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    step       text NOT NULL,
    offered    integer NOT NULL,
    refused    integer NOT NULL,
    PRIMARY KEY (record_id, step)
);

CREATE TABLE podcasts (
    record_id      bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    audio_key      text NOT NULL,
    vtt_key        text NOT NULL,
    chapters_key   text NOT NULL,
    duration       real NOT NULL,            -- seconds
    loudness       real NOT NULL,            -- LUFS, integrated
    size_bytes     bigint NOT NULL,
    made_at        timestamptz NOT NULL DEFAULT now()
);

-- What was sent to whom: at most once per family, kind and day, however often the schedule runs.
CREATE TABLE deliveries (
    family_id   bigint NOT NULL REFERENCES families ON DELETE CASCADE,
    kind        text NOT NULL,
    day         date NOT NULL,               -- in the family's time zone
    record_id   bigint REFERENCES records ON DELETE SET NULL,
    position    integer,                     -- of the quote in its record
    status      text NOT NULL CHECK (status IN ('sending', 'sent', 'failed')),
    attempts    integer NOT NULL DEFAULT 1,
    detail      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (family_id, kind, day)
);

INSERT INTO steps (line, name) VALUES
    ('family', 'transcripts'),
    ('family', 'passages'),
    ('family', 'value_tags'),
    ('family', 'wisdom'),
    ('family', 'stories'),
    ('family', 'quotes'),
    ('family', 'podcasts');
