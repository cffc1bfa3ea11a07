"""The family line: who tells what, how it comes in, what is made of it, and how it is sent out.

Nothing is imported here: `module.py` is read by every command.
"""
