-- What was answered to a request that named itself by an Idempotency-Key, written in the transaction
-- of what it did. Kept for a day (keepsake/http/idempotency.py).
CREATE TABLE idempotency_keys (
    owner_id     bigint REFERENCES owners ON DELETE CASCADE,  -- NULL: of no owner, an operator's request
    key          text NOT NULL,
    fingerprint  bytea NOT NULL,             -- SHA-256 of what was asked for
    answer       jsonb NOT NULL,             -- {"status", "body", "location"}
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
