-- Assets, steps and tables go by people's own words: embeddings (their rows stay passages with
-- vectors), tags, bookmark_embeddings. Results stay as they are, and up to date.

UPDATE steps SET name = 'embeddings' WHERE line = 'family' AND name = 'passages';
UPDATE steps SET name = 'tags' WHERE line = 'family' AND name = 'value_tags';
UPDATE steps SET name = 'bookmark_embeddings' WHERE line = 'bookmarks' AND name = 'bookmark_passages';

UPDATE ledger SET step = 'embeddings' WHERE line = 'family' AND step = 'passages';
UPDATE ledger SET step = 'tags' WHERE line = 'family' AND step = 'value_tags';
UPDATE ledger SET step = 'bookmark_embeddings'
    WHERE line = 'bookmarks' AND step = 'bookmark_passages';

UPDATE spending SET step = 'embeddings' WHERE line = 'family' AND step = 'passages';
UPDATE spending SET step = 'tags' WHERE line = 'family' AND step = 'value_tags';
UPDATE spending SET step = 'bookmark_embeddings'
    WHERE line = 'bookmarks' AND step = 'bookmark_passages';

UPDATE refusals SET step = 'tags' WHERE step = 'value_tags';

-- What waits says for which step.
UPDATE ledger SET error_message = 'waits for embeddings'
    WHERE error_message = 'waits for passages';

ALTER TABLE value_tags RENAME TO tags;
ALTER INDEX value_tags_pkey RENAME TO tags_pkey;
ALTER INDEX value_tags_value RENAME TO tags_value;
