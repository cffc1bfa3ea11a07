"""What lists and hits say about a record: joined from what the lines register."""

from psycopg.sql import SQL, Composed, Literal

from keepsake import lines


def about() -> Composed:
    """A join of `about (title, came_as, by, url)` to the record `r`; see `LineModule.about`."""
    of_lines = SQL(" UNION ALL ").join(
        SQL("SELECT * FROM ({}) AS row WHERE r.line = {}").format(
            SQL(module.about), Literal(module.name)
        )
        for module in lines.LINES
    )
    return SQL("LEFT JOIN LATERAL ({}) AS about (title, came_as, by, url) ON true").format(of_lines)


def text() -> Composed:
    """An expression of the text of the record `r`; see `LineModule.text`."""
    of_lines = SQL(" ").join(
        SQL("WHEN {} THEN ({})").format(Literal(module.name), SQL(module.text))
        for module in lines.LINES
        if module.text
    )
    return SQL("CASE r.line {} END").format(of_lines)
