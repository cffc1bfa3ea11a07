-- Feeds: an owner's, which players and readers fetch with a token in the address.

-- Who hears an owner's feeds: a token each, so that one can be taken back alone.
CREATE TABLE listeners (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id      bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    name          text NOT NULL,
    prefix        text NOT NULL,             -- its first and last characters, to recognise it by
    last_four     text NOT NULL,
    hash          bytea NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256; the token is not stored
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz,
    last_used_at  timestamptz,
    user_agent    text                       -- of the last fetch, as the program names itself
);
CREATE UNIQUE INDEX listeners_name ON listeners (owner_id, lower(name)) WHERE revoked_at IS NULL;

CREATE TABLE feeds (
    owner_id  bigint PRIMARY KEY REFERENCES owners ON DELETE CASCADE,
    guid      uuid,                          -- podcast:guid; assigned once, whatever the address becomes
    policy    text NOT NULL DEFAULT 'all' CHECK (policy IN ('all', 'approved'))
);

-- When a feed last said something else than before: readers ask for what changed since.
CREATE TABLE feed_changes (
    owner_id    bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    feed        text NOT NULL,               -- podcast, running
    content     text NOT NULL,               -- fingerprint of what it says
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, feed)
);

-- What a person decided of a story; the others go by the policy of the family's feed.
CREATE TABLE story_visibility (
    record_id  bigint PRIMARY KEY,
    owner_id   bigint NOT NULL,
    state      text NOT NULL CHECK (state IN ('approved', 'hidden')),
    set_by     bigint REFERENCES users ON DELETE SET NULL,  -- NULL: at the shell, or a user who is gone
    set_at     timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (record_id, owner_id) REFERENCES records (id, owner_id) ON DELETE CASCADE
);
CREATE INDEX podcasts_owner ON podcasts (owner_id);
