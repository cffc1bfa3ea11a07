-- What an import could not take in: names and reasons, the first ones. Its page shows them.
ALTER TABLE batches ADD COLUMN rejections jsonb NOT NULL DEFAULT '[]';
