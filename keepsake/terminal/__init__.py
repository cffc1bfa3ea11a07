"""What all commands share: errors as one line, tables, JSON, an open database.

Commands are in `keepsake/cli/`.
"""
