-- Two extractors look for the readable text of a page: which of them found it.
ALTER TABLE pages ADD COLUMN extractor text;
