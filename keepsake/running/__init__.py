"""The running journal: from a watch's file to facts, and from facts to words.

    points.py        the points of an activity as its file has them
    fit.py markup.py those of a FIT file, and of a GPX or TCX file; sports.py names their sports
    outline.py       what is in a FIT file, undecoded; xml_repair.py: XML that is not quite XML
    files.py         which format a file is, when it began, and the track in it
    track.py         the points repaired, on one clock; motion.py: distance, and what is movement
    facts.py         what is known of an activity, and `compute`, the way from a file to it
    formulas.py heart.py best_efforts.py    how each fact is computed, and where that is from
    wording.py       the facts as a runner says them; remarks.py: what was wrong in the file

These know no database. They run in the worker pool, on untrusted files; fitdecode and numpy are
loaded there only. Around them are

    archives.py listings.py packed.py imports.py activity.py    activities added
    history.py trends.py months.py predictions.py suggestions.py digest.py page.py charts.py
    weekly.py                                       weeks and months of them

What a model makes of the facts is in `steps/`.
"""
