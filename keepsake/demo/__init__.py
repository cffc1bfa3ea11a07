"""`keepsake demo`: the family line end to end, on the memories of a made-up family.

`memories.py` holds what the family says, `data/` its recordings, `make_recordings.py` the script
that made them. Nothing here is used outside the demo.
"""
