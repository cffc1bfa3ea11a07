"""`python -m keepsake.api.document`: the OpenAPI document, as `docs/openapi.json` has it."""

import json
import sys

from keepsake.api.app import create_app
from keepsake.settings import Settings


def document() -> str:
    """The document as text. It is the same whatever the settings."""
    settings = Settings.model_validate({"database_url": "postgresql://localhost/keepsake"})
    return json.dumps(create_app(settings).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
