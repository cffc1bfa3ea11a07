-- What the list of records reads by: what failed, newest first, and the words that a record is known by.
CREATE INDEX ledger_failed_records ON ledger (record_id DESC) WHERE status = 'failed';
CREATE INDEX records_of_owner ON records (owner_id, id DESC);
CREATE INDEX records_of_line ON records (line, id DESC);

CREATE INDEX stories_words ON stories USING gin (to_tsvector('simple', title || ' ' || summary));
CREATE INDEX responses_words ON responses USING gin (to_tsvector('simple', coalesce(text, '')));
CREATE INDEX bookmarks_words ON bookmarks
    USING gin (to_tsvector('simple', coalesce(title, '') || ' ' || translate(url, '/.-_?=&', '       ')));
CREATE INDEX pages_words ON pages
    USING gin (to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(site, '')));
CREATE INDEX activity_files_words ON activity_files
    USING gin (to_tsvector('simple', coalesce(title, '') || ' ' || translate(file_name, '.-_', '   ')));
