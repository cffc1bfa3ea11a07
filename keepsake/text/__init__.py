"""Words: sentences and passages, verbatim matches, languages, numbers held against facts.

Plain functions over plain data. Models and the database do not belong here.
"""
