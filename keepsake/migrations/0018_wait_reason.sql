-- Why a step is not made, or not yet, is said in columns of its own. error_type and error_message
-- hold errors only.

ALTER TABLE ledger RENAME COLUMN held TO hold_reason;
ALTER TABLE ledger RENAME CONSTRAINT ledger_held_check TO ledger_hold_reason_check;
ALTER TABLE ledger RENAME CONSTRAINT ledger_held_is_not_due TO ledger_hold_is_not_due;
ALTER INDEX ledger_held RENAME TO ledger_hold_reason;

ALTER TABLE ledger
    -- `need`: a step that it needs has no result; `budget`: the month's budget of its owner is spent.
    ADD COLUMN wait_reason text CHECK (wait_reason IN ('need', 'budget')),
    ADD COLUMN waits_for text;  -- the step that it needs, where that is what has no result

UPDATE ledger
SET wait_reason = CASE error_type WHEN 'OverBudget' THEN 'budget' ELSE 'need' END,
    waits_for = substring(error_message FROM '^waits for (.+)$'),
    error_type = NULL, error_message = NULL
WHERE error_type IN ('OverBudget', 'Waiting');

-- What an owner may spend in this calendar month (UTC), and has spent.
CREATE VIEW owner_budgets WITH (security_invoker = true) AS
SELECT o.id AS owner_id,
       coalesce(o.monthly_budget, t.monthly_budget) AS budget,  -- NULL: no bound
       o.monthly_budget IS NOT NULL AS own_budget,
       month.known,  -- USD, as far as models have prices
       month.spent,  -- the same; NULL if a part of it is unknown
       (this_month + interval '1 month') AT TIME ZONE 'UTC' AS renews_at
FROM owners o
JOIN tiers t ON t.name = o.tier
CROSS JOIN LATERAL (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AS this_month) AS clock
CROSS JOIN LATERAL (
    SELECT coalesce(sum(cost), 0) AS known,
           CASE WHEN count(*) = count(cost) THEN coalesce(sum(cost), 0) END AS spent
    FROM spending WHERE owner_id = o.id AND day >= this_month) AS month;
