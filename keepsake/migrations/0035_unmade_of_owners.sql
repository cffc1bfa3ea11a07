-- What of an owner's is not made, or is to be made again: found without a look at what is.
CREATE INDEX ledger_unmade_of_owner ON ledger (owner_id, record_id)
    WHERE status <> 'succeeded' OR due_at IS NOT NULL;
