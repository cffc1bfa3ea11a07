-- Owners may share an object, whose key is its content: each notes it, and none sees another's note.
ALTER TABLE loose_objects
    DROP CONSTRAINT loose_objects_pkey,
    ADD PRIMARY KEY (owner_id, key);
CREATE INDEX loose_objects_key ON loose_objects (key);
