-- The bookmarks line: what people save, and what is made of it.

CREATE TABLE bookmarks (
    record_id  bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    url        text NOT NULL,                -- as it was given
    platform   text,                         -- youtube, tiktok, ... as the sender names it
    title      text,                         -- the sender's own
    content    text,                         -- text that came with it: used when the page cannot be fetched
    folder     text                          -- where it was filed in the program it was imported from
);

-- What fetching the page gave.
CREATE TABLE pages (
    record_id      bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    url            text NOT NULL,            -- after redirects
    http_status    integer,                  -- NULL: not fetched, made from the content that was given
    content_type   text,
    body_key       text,                     -- the response as it came: its object
    size_bytes     bigint,
    etag           text,
    last_modified  text,
    fetched_at     timestamptz,
    title          text,
    description    text,
    author         text,
    site           text,
    language       text,
    published_on   date,
    image_url      text,
    canonical_url  text,
    text           text NOT NULL,            -- readable text; empty if there is none
    words          integer NOT NULL,
    note           text                      -- what kept us from more: a login wall, no text, a PDF
);

CREATE TABLE summaries (
    record_id  bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    summary    text NOT NULL
);

CREATE TABLE keywords (
    record_id   bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    owner_id    bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    keyword     text NOT NULL,
    source      text NOT NULL CHECK (source IN ('human', 'ai')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (record_id, keyword)
);
CREATE INDEX keywords_owner ON keywords (owner_id, keyword);

-- Files kept from what a bookmark shows. Equal content is one object, whoever saved it.
CREATE TABLE media (
    record_id     bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    position      integer NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('video', 'audio', 'image')),
    object_key    text NOT NULL,
    name          text NOT NULL,
    content_type  text NOT NULL,
    size_bytes    bigint NOT NULL,
    sha256        text NOT NULL,
    duration      real,                      -- seconds
    PRIMARY KEY (record_id, position)
);
CREATE INDEX media_sha256 ON media (sha256);

-- When each host may be asked next: the rate limit holds over all runs.
CREATE TABLE hosts (
    host     text PRIMARY KEY,
    next_at  timestamptz NOT NULL
);

INSERT INTO steps (line, name) VALUES
    ('bookmarks', 'pages'),
    ('bookmarks', 'summaries'),
    ('bookmarks', 'keywords'),
    ('bookmarks', 'bookmark_passages'),
    ('bookmarks', 'media');
