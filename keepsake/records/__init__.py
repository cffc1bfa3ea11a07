"""What every line does with its records: add, list, edit, tag, follow and delete them.

What a record of one line holds belongs to that line.
"""
