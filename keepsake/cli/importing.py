"""`keepsake import`: many records at once, from a file or an archive. One command a line."""

import typer

app = typer.Typer(no_args_is_help=True, help="Import many records at once.")
