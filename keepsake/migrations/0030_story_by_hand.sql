-- People may change the text of a story, too.
ALTER TABLE edits DROP CONSTRAINT edits_field_check;
ALTER TABLE edits ADD CHECK (field IN ('title', 'transcript', 'story'));

-- What pages of an owner's records are read by.
CREATE INDEX records_of_owner_recorded ON records (owner_id, recorded_at DESC, id DESC);
