"""PostgreSQL as a package brings it, where no other database is named; and processes to end.

What else `keepsake up` starts stands above (`keepsake/local/`): whoever asks for the database may
have to start this one first.
"""
