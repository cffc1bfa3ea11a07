-- Messages of the whole system, to its operators: by apprise as those of owners, and by channels for
-- programs, which read the same as data.

ALTER TABLE outbox
    ALTER COLUMN owner_id DROP NOT NULL,  -- NULL: to the operators
    ADD COLUMN payload jsonb,             -- what it says, for programs; removed with the text
    DROP CONSTRAINT outbox_owner_id_channel_idempotency_key_key,
    ADD CONSTRAINT outbox_once UNIQUE NULLS NOT DISTINCT (owner_id, channel, idempotency_key);
