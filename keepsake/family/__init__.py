"""The family line: who says what, how it is added, what is made of it, and how it is sent out.

Nothing is imported here: `module.py` is read by every command.
"""
