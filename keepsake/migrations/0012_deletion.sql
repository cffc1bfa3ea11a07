-- Objects that a row named which is gone, or was made again: they leave the store when no row names them.
CREATE TABLE loose_objects (
    key        text PRIMARY KEY,
    owner_id   bigint NOT NULL,              -- whose it was; the owner may be gone as well
    record_id  bigint NOT NULL,              -- likewise
    since      timestamptz NOT NULL DEFAULT now()
);

-- The spoken pieces of an episode, which others may have as well.
ALTER TABLE podcasts ADD COLUMN speech_keys text[] NOT NULL DEFAULT '{}';

-- Whether any row names an object is looked up by its key.
CREATE INDEX responses_audio_key ON responses (audio_key) WHERE audio_key IS NOT NULL;
CREATE INDEX quotes_clip_key ON quotes (clip_key) WHERE clip_key IS NOT NULL;
CREATE INDEX podcasts_audio_key ON podcasts (audio_key);
CREATE INDEX podcasts_vtt_key ON podcasts (vtt_key);
CREATE INDEX podcasts_chapters_key ON podcasts (chapters_key);
CREATE INDEX podcasts_speech_keys ON podcasts USING gin (speech_keys);
CREATE INDEX pages_body_key ON pages (body_key) WHERE body_key IS NOT NULL;
CREATE INDEX media_object_key ON media (object_key);
CREATE INDEX activity_files_file_key ON activity_files (file_key);
CREATE INDEX weekly_digests_page_key ON weekly_digests (page_key);
