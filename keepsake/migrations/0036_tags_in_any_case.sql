-- A bookmark's tag is found in any case of letters, by an index: a column, since under a row-level
-- security policy no index of an expression with `lower` is used. Values of families are lower case.
ALTER TABLE keywords ADD COLUMN folded text GENERATED ALWAYS AS (lower(keyword)) STORED;
CREATE INDEX keywords_of_owner_folded ON keywords (owner_id, folded);
