"""The groups `keepsake add` and `keepsake import`; each line adds its commands to them."""

import typer

add = typer.Typer(
    no_args_is_help=True, help="Add a response, a bookmark or an activity, and whose they are."
)
importing = typer.Typer(no_args_is_help=True, help="Import many records at once.")
