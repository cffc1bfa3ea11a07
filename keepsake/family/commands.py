"""`keepsake add family`, `add member`, `add response`, and a family's `vocabulary`."""

from pathlib import Path
from typing import Annotated

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import (
    Json,
    decoded,
    filled,
    in_pool,
    moment,
    open_database,
    print_json,
    print_table,
)
from keepsake.text.counted import counted

Family = Annotated[str, typer.Argument(help="Name, short name or id of the family.")]


def family(
    name: Annotated[str, typer.Argument(help="Its name, such as `Familie Müller`.")],
    time_zone: Annotated[
        str, typer.Option(help="IANA time zone: when its quote of the day is sent.")
    ] = "UTC",
    language: Annotated[
        str, typer.Option(help="What its members speak, as a code: en, de.")
    ] = "en",
    value: Annotated[
        list[str] | None, typer.Option(help="A value of its own to tag by. Give it several times.")
    ] = None,
    json: Json = False,
) -> None:
    """Add a family, with a vocabulary of values to tag by."""
    from keepsake.family.response import add_family
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        added = add_family(
            connection, name, time_zone=time_zone, language=language, values=value or ()
        )
    if json:
        print_json(added)
    else:
        typer.echo(f"Added {added.name}: address it as {added.slug}.")


def member(
    family: Family,
    name: Annotated[str, typer.Argument(help="The member's name, as stories have it.")],
    json: Json = False,
) -> None:
    """Add a member to a family."""
    from keepsake.family.response import add_member, find_family
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        home = find_family(connection, family)
        member_id = add_member(connection, home, name)
    if json:
        print_json({"id": member_id, "family": home.slug, "name": name})
    else:
        typer.echo(f"Added {name} to {home.name}.")


def response(
    family: Family,
    member: Annotated[str, typer.Argument(help="Name or id of the member who speaks.")],
    text: Annotated[str | None, typer.Option(help="What was written.")] = None,
    file: Annotated[
        typer.FileBinaryRead | None, typer.Option(help="A UTF-8 text file; - reads it from stdin.")
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A recording, in any format FFmpeg reads."),
    ] = None,
    recorded_at: Annotated[
        str | None,
        typer.Option(
            metavar="ISO",
            help="When, such as 2026-10-04T19:30; in the family's time zone if it "
            "names none. Default: now.",
        ),
    ] = None,
    prompt: Annotated[
        int | None,
        typer.Option(
            metavar="ID",
            help="The interview prompt it answers; `keepsake prompts` lists them.",
        ),
    ] = None,
    question: Annotated[
        int | None, typer.Option(hidden=True, help="The former name of --prompt.")
    ] = None,
    priority: Annotated[str, typer.Option(help="low, normal or urgent.")] = "normal",
    external_id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Your own id for it: adding it twice adds it once. Default: its content."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add what a member said (--audio) or wrote (--text, --file)."""
    from keepsake.clients.objects import open_objects
    from keepsake.family.response import NewResponse, add_response, find_family
    from keepsake.settings import load_settings

    if text is not None and file is not None:
        raise InvalidInput("give --text or --file, not both")
    settings = load_settings()
    with open_database(settings) as connection:
        home = find_family(connection, family)
        new = NewResponse(
            member=member,
            recorded_at=moment(recorded_at, home.time_zone),
            text=text if file is None else decoded(file.read(), "--file"),
            audio=audio,
            prompt_id=question if prompt is None else prompt,
            priority=priority,
            external_id=external_id,
        )
    objects = open_objects(settings)
    added = in_pool(settings, lambda pool: add_response(pool, objects, settings, home.id, new))
    if json:
        print_json(added)
    elif added.created:
        typer.echo(
            f"Added record {added.record_id}. Follow it: `keepsake status {added.record_id}`."
        )
    else:
        typer.echo(f"Already there as record {added.record_id}; nothing was added.")


def vocabulary(
    family: Annotated[str, typer.Argument(help="Name, short name or id of the family.")],
    add: Annotated[
        list[str] | None, typer.Option(help="Add a value. Give it several times.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(help="Take a value out, and off all records. Give it several times."),
    ] = None,
    json: Json = False,
) -> None:
    """Show or change the values that a family tags by. `--remove` takes default values too."""
    from keepsake.family.response import add_value, find_family, remove_value
    from keepsake.family.response import vocabulary as values_of
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        home = find_family(connection, family)
        for value in add or ():
            add_value(connection, home, value)
        removed = {value: remove_value(connection, home, value) for value in remove or ()}
        values = values_of(connection, home)
    if json:
        print_json(values)
        return
    for value, records in removed.items():
        typer.echo(f"Took {value} out, and off {counted(records, 'record')}.")
    rows = [
        {"value": v.value, "records": v.records, "from": "a tag by hand" if v.by_tag else ""}
        for v in values
    ]
    print_table(f"Values of {home.name}", rows, filled(rows) or ["value"])
