"""`python -m keepsake.api.graphql.document`: the schema, as `docs/schema.graphql` has it."""

import sys

from keepsake.api.graphql.schema import SCHEMA


def document() -> str:
    """The schema as text."""
    return f"{SCHEMA.as_str()}\n"


if __name__ == "__main__":
    sys.stdout.write(document())
