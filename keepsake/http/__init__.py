"""What routes are made of: who asks, for which owner, and what is answered when it cannot be done.

As `keepsake/terminal/` is to commands, this room is to routes. The routes themselves are with their
line (`keepsake/family/routes.py`) or, where they are of no line, in `keepsake/api/`.
"""
