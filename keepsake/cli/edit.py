"""Changing records by hand: `keepsake tag`, `untag`, `edit`."""

from functools import partial
from typing import Annotated

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, decoded, open_database, print_json

Record = Annotated[int, typer.Argument(help="Id of the record: see `keepsake records`.")]


def tag(
    record: Record,
    value: Annotated[str, typer.Argument(help="The tag, such as `courage`.")],
    json: Json = False,
) -> None:
    """Tag a response or a bookmark by hand. No model ever takes the tag away."""
    from keepsake.changes import tags
    from keepsake.records.lookup import owner_of
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        tags.tag(connection, owner_of(connection, record), record, value)
    if json:
        print_json({"record": record, "tag": value})
    else:
        typer.echo(f"Tagged record {record} with {value}.")


def untag(
    record: Record,
    values: Annotated[list[str], typer.Argument(metavar="TAG...", help="The tags to take off.")],
    json: Json = False,
) -> None:
    """Take tags off a response or a bookmark, those of models too. No model puts them back."""
    from keepsake.changes import tags
    from keepsake.records.lookup import owner_of
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        left = tags.untag(connection, owner_of(connection, record), record, values)
    if json:
        print_json({"record": record, "removed": values, "left_the_vocabulary": left})
        return
    typer.echo(f"Took {', '.join(values)} off record {record}.")
    if left:
        typer.echo(f"Nothing else has {', '.join(left)}: out of the vocabulary.")


def edit(
    record: Record,
    title: Annotated[str | None, typer.Option(help="Another title.")] = None,
    transcript: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(
            help="The corrected transcript of a response: a UTF-8 text file; - reads it from "
            "stdin. Its words keep their times."
        ),
    ] = None,
    story: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(
            help="Another text of a response's story: a UTF-8 text file; - reads it from stdin."
        ),
    ] = None,
    revert: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Take the changes of one of these fields back."),
    ] = None,
    json: Json = False,
) -> None:
    """Change title, transcript or story by hand. It stays when a step is made again."""
    from keepsake.changes import edits
    from keepsake.records.lookup import owner_of
    from keepsake.settings import load_settings

    back = set(revert or ())
    if unknown := back - {"title", "transcript", "story"}:
        raise InvalidInput(f"--revert takes `title`, `transcript` or `story`, not {min(unknown)!r}")
    given = {
        "title": title,
        "transcript": None if transcript is None else decoded(transcript.read(), "--transcript"),
        "story": None if story is None else decoded(story.read(), "--story"),
    }
    asked = {field for field, value in given.items() if value is not None}
    if not asked | back:
        raise InvalidInput("say what to change: --title, --transcript, --story or --revert")
    if asked & back:
        raise InvalidInput("change it or take the change back, not both")
    settings = load_settings()
    changed = []
    with open_database(settings) as connection, connection.transaction():
        owner_id = owner_of(connection, record)
        # The transcript first: it has all steps made again that the others have.
        for field, change in (
            ("transcript", partial(edits.edit_transcript, connection, settings)),
            ("title", partial(edits.edit_title, connection)),
            ("story", partial(edits.edit_story, connection, settings)),
        ):
            if field in asked | back and change(owner_id, record, given[field]):
                changed.append(field)
    if json:
        print_json({"record": record, "changed": changed})
    elif changed:
        typer.echo(
            f"Changed {' and '.join(changed)} of record {record}. What depends on it is due; "
            f"follow it: `keepsake status {record}`."
        )
    else:
        typer.echo("Nothing changed: it was so already.")
