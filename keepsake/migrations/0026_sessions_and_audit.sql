-- What a browser is signed in with. A cookie has the secret, the table its SHA-256.
CREATE TABLE sessions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    hash          bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    device        text NOT NULL,             -- such as "Firefox on Linux", to recognise it by
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_user ON sessions (user_id);

-- A link and a code were sent, or would have been: addresses of no user have rows too, so that asking
-- costs the same and is limited the same.
CREATE TABLE sign_in_requests (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email_hash  bytea NOT NULL,              -- SHA-256 of the address in small letters
    user_id     bigint REFERENCES users ON DELETE CASCADE,
    link_hash   bytea NOT NULL UNIQUE,
    code_hash   bytea NOT NULL,
    tries       smallint NOT NULL DEFAULT 0, -- of the code
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz                  -- by link or code: one use in all
);
CREATE INDEX sign_in_requests_email ON sign_in_requests (email_hash, created_at);
CREATE INDEX sign_in_requests_user ON sign_in_requests (user_id);

-- Who wrote what. Ids only, and no references: it outlives whom and what it names, but not the owner.
CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    owner_id    bigint REFERENCES owners ON DELETE CASCADE,  -- NULL: what concerns no single owner
    user_id     bigint,
    token_id    bigint,                      -- neither user nor token: at the shell
    action      text NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    record_id   bigint,
    detail      text NOT NULL DEFAULT ''
);
CREATE INDEX audit_log_owner ON audit_log (owner_id, id);
CREATE INDEX audit_log_at ON audit_log (at);
