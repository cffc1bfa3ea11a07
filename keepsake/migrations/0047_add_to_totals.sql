-- Add to the totals, and to the figures of owners: a statement, so that it costs one round trip.
--
-- The rows are those of `add` in keepsake/metrics/totals.py; of_owners is NULL where one is of the whole
-- system. All who call this lock rows in the same order. Transactions that are open at the same time
-- have backends of their own, so few of them meet in a shard. SECURITY DEFINER, since what is done for
-- an owner under policies counts too, and may not read what others came to.
CREATE FUNCTION add_to_totals(
    of_owners bigint[], metrics text[], label_lists text[], amounts double precision[],
    seen_last double precision[], by_run text, shards integer
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keepsake, pg_temp
AS $$
BEGIN
    INSERT INTO owner_metrics AS m (owner_id, at, metric, labels, value)
    SELECT of_owner, date_bin('5 minutes', now(), '2000-01-01 00:00Z'), of_metric, of_labels, amount
    FROM unnest(of_owners, metrics, label_lists, amounts) AS n(of_owner, of_metric, of_labels, amount)
    WHERE of_owner IS NOT NULL
    ORDER BY of_owner, of_metric, of_labels
    ON CONFLICT (owner_id, at, metric, labels) DO UPDATE SET value = m.value + excluded.value;

    INSERT INTO metric_totals AS t (metric, labels, shard, value, exemplar_run, exemplar, exemplar_at)
    SELECT of_metric, of_labels, pg_backend_pid() % shards, amount,
           CASE WHEN seen IS NOT NULL THEN by_run END, seen, CASE WHEN seen IS NOT NULL THEN now() END
    FROM unnest(of_owners, metrics, label_lists, amounts, seen_last)
         AS n(of_owner, of_metric, of_labels, amount, seen)
    WHERE of_owner IS NULL
    ORDER BY of_metric, of_labels
    ON CONFLICT (metric, labels, shard) DO UPDATE SET value = t.value + excluded.value,
        exemplar_run = coalesce(excluded.exemplar_run, t.exemplar_run),
        exemplar = coalesce(excluded.exemplar, t.exemplar),
        exemplar_at = coalesce(excluded.exemplar_at, t.exemplar_at);
END $$;
