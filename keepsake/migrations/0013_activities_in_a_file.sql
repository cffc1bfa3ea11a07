-- A file may hold several activities: the sports of a triathlon.

ALTER TABLE activity_files
    ADD part smallint NOT NULL DEFAULT 1;  -- which of the activities in the file, from 1
