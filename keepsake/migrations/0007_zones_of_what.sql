-- Heart-rate zones say what they are parts of, and whether that is assumed.

ALTER TABLE activities
    ADD zone_maximum    smallint,  -- the highest heart rate that the zones are parts of; NULL: not known
    ADD zone_activities integer;   -- where it is assumed: the number of activities that showed no higher one
