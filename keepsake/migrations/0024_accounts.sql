-- Operators keep the installation running: they see all owners, and Dagster.
ALTER TABLE users ADD COLUMN operator boolean NOT NULL DEFAULT false;

-- A token is for one owner, an admin's token for all of them. One that an operator made at the shell
-- is of no person. A token is gone when its owner, its user or the membership is.
ALTER TABLE tokens
    ALTER COLUMN owner_id DROP NOT NULL,
    ALTER COLUMN user_id DROP NOT NULL,
    ADD COLUMN admin boolean NOT NULL DEFAULT false,
    ADD COLUMN last_four text NOT NULL,      -- with the prefix, to recognise it by
    ADD FOREIGN KEY (owner_id) REFERENCES owners ON DELETE CASCADE,
    ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE,
    ADD CHECK (admin = (owner_id IS NULL)),
    ADD CHECK (scopes <@ ARRAY['read', 'ingest', 'edit', 'manage']),
    ADD CHECK (admin = (scopes = '{}'));
CREATE INDEX tokens_user ON tokens (user_id);
