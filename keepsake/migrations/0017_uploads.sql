-- An object is stored before the rows that name it: its note has no record yet, and a sweep leaves it until then.
ALTER TABLE loose_objects
    ALTER COLUMN record_id DROP NOT NULL,
    ADD COLUMN not_before timestamptz NOT NULL DEFAULT now();
