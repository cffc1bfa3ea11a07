"""What people change in records by hand: titles, transcripts, stories, tags.

Each line registers what of its records can be changed (`keepsake/line_module.py`).
"""
