"""The running journal: from a watch's file to facts, and from facts to words.

    files.py         what an activity file is, and when it began: as little of it as that takes
    track.py         the points of an activity, on one clock, with what was mended named
    fit.py xml.py    the points of a FIT file, and of a GPX or TCX file
    facts.py         what is computed of the points: formulas with their sources
    best_efforts.py  the fastest 400 m to marathon in an activity
    wording.py       the facts as a runner says them
    records.py imports.py kept.py    activities in the database

What a model makes of the facts stands with the steps, in `assets/running/`. The modules of the
first block know no database: they run in a process apart, on files of strangers, and load
fitdecode and numpy only there.
"""
