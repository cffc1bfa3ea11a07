-- What failed for good, the latest first; it also has all that groups of failures are counted by.
CREATE INDEX ledger_failures ON ledger
    (finished_at DESC NULLS LAST, owner_id, line, step, error_type, record_id)
    WHERE status = 'failed' AND hold_reason IS NULL;
