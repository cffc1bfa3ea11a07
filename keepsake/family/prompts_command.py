"""`keepsake prompts`."""

from typing import Annotated

import typer

from keepsake.terminal.shell import Json, open_database, print_json, print_table


def prompts(
    family: Annotated[str, typer.Argument(help="Name, short name or id of the family.")],
    json: Json = False,
) -> None:
    """List the interview prompts of a family, the newest week first, and which were answered.

    Answer one by its id: `keepsake add response FAMILY MEMBER --prompt ID --audio FILE`.
    """
    from keepsake.family.response import find_family
    from keepsake.family.weekly_prompts import interview_prompts
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        home = find_family(connection, family)
        found = interview_prompts(connection, home.id)
    if json:
        print_json(found)
    elif not found:
        typer.echo(
            f"{home.name} has no interview prompts yet: they are written on Mondays, once the "
            "family has a story."
        )
    else:
        rows = [
            {
                "id": prompt.id,
                "week": prompt.week,
                "question": prompt.question,
                "answered by record": ", ".join(map(str, prompt.answered_by)) or None,
            }
            for prompt in found
        ]
        print_table(f"Interview prompts of {home.name}", rows, rows[0])
