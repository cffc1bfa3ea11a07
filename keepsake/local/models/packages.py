"""Where a package that carries model weights lies, without importing it."""

import hashlib
from importlib.util import find_spec
from pathlib import Path


def package_folder(name: str, *, extra: str = "local") -> Path:
    """Folder of an installed package, which comes with an `extra` of ours.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed: install keepsake[{extra}]", name=name)
    return Path(spec.origin).parent


def verify(path: Path, sha256: str) -> None:
    """Make sure that a file holds the weights that we measured.

    Raises:
        ValueError: it does not.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ValueError(f"{path.name} does not hold the weights that Keepsake was built with")
