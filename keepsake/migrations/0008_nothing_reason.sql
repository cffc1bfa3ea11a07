-- Why a step that succeeded found nothing to make: without content, fit to be shown. Such a row has
-- no output fingerprint. Rows of earlier versions have no reason.
ALTER TABLE ledger ADD COLUMN nothing_reason text;
