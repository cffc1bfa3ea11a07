-- Every row that belongs to somebody says whose it is: what the policies go by that keep owners apart
-- (keepsake/access.py). Rows of a record refer to the record and its owner together, so that
-- none can have another owner than its record.

-- A family is an owner, and its id that of the owner: one name for it.
ALTER TABLE families RENAME COLUMN id TO owner_id;
ALTER TABLE members RENAME COLUMN family_id TO owner_id;
ALTER TABLE vocabulary RENAME COLUMN family_id TO owner_id;
ALTER TABLE interview_prompts RENAME COLUMN family_id TO owner_id;
ALTER TABLE responses RENAME COLUMN family_id TO owner_id;
ALTER TABLE tags RENAME COLUMN family_id TO owner_id;
ALTER INDEX responses_family RENAME TO responses_owner;

ALTER TABLE records ADD UNIQUE (id, owner_id);
ALTER TABLE members ADD UNIQUE (id, owner_id);
ALTER TABLE interview_prompts ADD UNIQUE (id, owner_id);
ALTER TABLE batches ADD UNIQUE (id, owner_id);

-- One table at a time, each in a few statements however many rows it has.
DO $$
DECLARE
    of_records text[] := ARRAY[
        'ledger', 'step_attempts', 'edits', 'removed_tags', 'refusals', 'passages',
        'responses', 'transcripts', 'tags', 'wisdom', 'stories', 'quotes', 'podcasts',
        'bookmarks', 'pages', 'summaries', 'keywords', 'media',
        'activity_files', 'activities', 'letters', 'coaching_insights'];
    t text;
    old text;
BEGIN
    FOREACH t IN ARRAY of_records LOOP
        IF NOT EXISTS (SELECT FROM pg_attribute
                       WHERE attrelid = t::regclass AND attname = 'owner_id') THEN
            EXECUTE format('ALTER TABLE %I ADD COLUMN owner_id bigint', t);
            EXECUTE format('UPDATE %I t SET owner_id = r.owner_id FROM records r'
                           ' WHERE r.id = t.record_id', t);
            EXECUTE format('ALTER TABLE %I ALTER owner_id SET NOT NULL', t);
        END IF;
        -- The record has an owner: what refers to both need not refer to the owner once more.
        FOR old IN SELECT conname FROM pg_constraint
                   WHERE conrelid = t::regclass AND contype = 'f'
                     AND confrelid IN ('records'::regclass, 'owners'::regclass) LOOP
            EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', t, old);
        END LOOP;
        EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY (record_id, owner_id)'
                       ' REFERENCES records (id, owner_id) ON DELETE CASCADE', t);
    END LOOP;
END $$;

-- What else rows refer to is their owner's too.
ALTER TABLE responses
    DROP CONSTRAINT responses_member_id_fkey,
    DROP CONSTRAINT responses_prompt_id_fkey,
    ADD FOREIGN KEY (member_id, owner_id) REFERENCES members (id, owner_id) ON DELETE CASCADE,
    ADD FOREIGN KEY (prompt_id, owner_id) REFERENCES interview_prompts (id, owner_id)
        ON DELETE SET NULL (prompt_id);
ALTER TABLE records
    DROP CONSTRAINT records_batch_id_fkey,
    ADD FOREIGN KEY (batch_id, owner_id) REFERENCES batches (id, owner_id)
        ON DELETE SET NULL (batch_id);
ALTER TABLE outbox
    DROP CONSTRAINT outbox_record_id_fkey,
    ADD FOREIGN KEY (record_id, owner_id) REFERENCES records (id, owner_id)
        ON DELETE SET NULL (record_id);

-- An owner is no person: a family has several members who sign in, and a person may see several
-- owners' records.
CREATE TABLE users (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email       text NOT NULL CHECK (email LIKE '%_@_%'),
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE memberships (
    owner_id    bigint NOT NULL REFERENCES owners ON DELETE CASCADE,
    user_id     bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    role        text NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

-- What programs sign in with, for a user and one owner; gone when the membership is.
CREATE TABLE tokens (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id      bigint NOT NULL,
    user_id       bigint NOT NULL,
    name          text NOT NULL,
    prefix        text NOT NULL,             -- its first characters, to recognise it by
    hash          bytea NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256; the token is not stored
    scopes        text[] NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,               -- NULL: never
    revoked_at    timestamptz,
    last_used_at  timestamptz,
    FOREIGN KEY (owner_id, user_id) REFERENCES memberships ON DELETE CASCADE
);
CREATE INDEX tokens_membership ON tokens (owner_id, user_id);
