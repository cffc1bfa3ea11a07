-- Search by words covers what was made of a record, and not its passages alone.

DO $$
DECLARE
    t text;
    words text;
BEGIN
    FOR t, words IN VALUES
        ('stories', 'title || '' '' || summary || '' '' || text'),
        ('quotes', 'text'),
        ('wisdom', 'advice'),
        ('summaries', 'summary'),
        ('letters', 'letter'),
        ('coaching_insights', 'heart_rate || '' '' || pacing || '' '' || recommendation')
    LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN search tsvector'
                       ' GENERATED ALWAYS AS (to_tsvector(''simple'', %s)) STORED', t, words);
        EXECUTE format('CREATE INDEX %I ON %I USING gin (search)', t || '_search', t);
    END LOOP;
    -- For an owner with few of many rows: a frequent word is in too many of those of others.
    FOREACH t IN ARRAY ARRAY['stories', 'quotes', 'wisdom', 'summaries', 'letters',
                             'coaching_insights', 'bookmarks', 'pages', 'activity_files'] LOOP
        EXECUTE format('CREATE INDEX %I ON %I (owner_id)', t || '_of_owner', t);
    END LOOP;
END $$;
CREATE INDEX tags_words ON tags USING gin (to_tsvector('simple', value));
CREATE INDEX keywords_words ON keywords USING gin (to_tsvector('simple', keyword));

-- What is searched by words beside passages, and of which kind it is. A line that adds a kind
-- replaces this view, and names the kind in its LineModule. `search` is each time an expression that has
-- an index; `position` is unique for a record and kind, but for tags.
CREATE VIEW texts AS
SELECT record_id, owner_id, 'story' AS kind, 0 AS position,
       title || E'\n\n' || summary || E'\n\n' || text AS text,
       NULL::real AS starts_at, NULL::real AS ends_at, search
FROM stories
UNION ALL
SELECT record_id, owner_id, 'quote', position, text, starts_at, ends_at, search FROM quotes
UNION ALL
SELECT record_id, owner_id, 'wisdom', position, advice, starts_at, ends_at, search FROM wisdom
UNION ALL
SELECT record_id, owner_id, 'tag', 0, value, NULL, NULL, to_tsvector('simple', value) FROM tags
UNION ALL
SELECT record_id, owner_id, 'tag', 0, keyword, NULL, NULL, to_tsvector('simple', keyword)
FROM keywords
UNION ALL
SELECT record_id, owner_id, 'summary', 0, summary, NULL, NULL, search FROM summaries
UNION ALL
SELECT record_id, owner_id, 'page', 0, concat_ws(E'\n', title, url), NULL, NULL,
       to_tsvector('simple', coalesce(title, '') || ' ' || translate(url, '/.-_?=&', '       '))
FROM bookmarks
UNION ALL
SELECT record_id, owner_id, 'page', 1, concat_ws(E'\n', title, site), NULL, NULL,
       to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(site, ''))
FROM pages
UNION ALL
SELECT record_id, owner_id, 'activity', 0, coalesce(title, file_name), NULL, NULL,
       to_tsvector('simple', coalesce(title, '') || ' ' || translate(file_name, '.-_', '   '))
FROM activity_files
UNION ALL
SELECT record_id, owner_id, 'letter', 0, letter, NULL, NULL, search FROM letters
UNION ALL
SELECT record_id, owner_id, 'insight', 0,
       heart_rate || E'\n\n' || pacing || E'\n\n' || recommendation, NULL, NULL, search
FROM coaching_insights;

-- Both functions give what has the words among an owner's rows: at most so many, and how well they
-- fit. They are SECURITY DEFINER for the reason given in 0020, and apply the policy's condition
-- themselves. Filters that are NULL hold for all. They are inside, before the limit: of the first
-- 2,000 with a frequent word, none may pass. A filter that is NULL costs nothing, since each
-- call is planned with its own values.
CREATE FUNCTION texts_with_words(
    wanted tsquery, kinds text[], of_line text, since timestamptz, until timestamptz, only_of bigint[],
    most integer
) RETURNS TABLE (record_id bigint, kind text, "position" integer, fit real)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = keepsake, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
    SELECT record_id, kind, position, ts_rank_cd(search, wanted) FROM (
        SELECT t.record_id, t.kind, t.position, t.search FROM texts t
        WHERE t.owner_id = nullif(current_setting('keepsake.owner_id', true), '')::bigint
          AND t.search @@ wanted
          AND t.kind = ANY(kinds)
          AND (only_of IS NULL OR t.record_id = ANY(only_of))
          AND (of_line IS NULL AND since IS NULL AND until IS NULL
               OR EXISTS (SELECT FROM records r WHERE r.id = t.record_id
                          AND (of_line IS NULL OR r.line = of_line)
                          AND (since IS NULL OR r.recorded_at >= since)
                          AND (until IS NULL OR r.recorded_at < until)))
        LIMIT most
    ) AS matching
$$;

DROP FUNCTION passages_with_words(tsquery, text, integer, boolean, integer);
CREATE FUNCTION passages_with_words(
    wanted tsquery, of_line text, since timestamptz, until timestamptz, only_of bigint[], most integer
) RETURNS TABLE (record_id bigint, "position" integer, fit real)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = keepsake, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
    SELECT record_id, position, ts_rank_cd(search, wanted) FROM (
        SELECT p.record_id, p.position, p.search FROM passages p
        WHERE p.owner_id = nullif(current_setting('keepsake.owner_id', true), '')::bigint
          AND p.search @@ wanted
          AND (only_of IS NULL OR p.record_id = ANY(only_of))
          AND (of_line IS NULL AND since IS NULL AND until IS NULL
               OR EXISTS (SELECT FROM records r WHERE r.id = p.record_id
                          AND (of_line IS NULL OR r.line = of_line)
                          AND (since IS NULL OR r.recorded_at >= since)
                          AND (until IS NULL OR r.recorded_at < until)))
        LIMIT most
    ) AS matching
$$;
