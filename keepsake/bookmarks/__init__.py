"""The bookmarks line: what people save, how it is added, and what is made of it.

Nothing is imported here: `module.py` is read by every command.
"""
