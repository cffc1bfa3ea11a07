-- What an import came to, in the words of its command.
ALTER TABLE batches RENAME COLUMN added TO created;
ALTER TABLE batches RENAME COLUMN known TO duplicates;
ALTER TABLE batches RENAME COLUMN refused TO rejected;
