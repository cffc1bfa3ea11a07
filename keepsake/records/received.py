"""A file that was handed in: where it lies, what its sender calls it, and its hash."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from keepsake.clients.objects import ObjectStore


@dataclass(frozen=True)
class ReceivedFile:
    """A file that was handed in.

    Attributes:
        path: where it lies.
        name: what its sender calls it.
        sha256: of its content, hexadecimal.
        passing: whether it is a copy of ours, which the object store may take away from `path`.
    """

    path: Path
    name: str
    sha256: str
    passing: bool = True

    @classmethod
    def of(cls, path: Path) -> "ReceivedFile":
        """A file of somebody's own, which stays where it is."""
        with path.open("rb") as file:
            return cls(path, path.name, hashlib.file_digest(file, "sha256").hexdigest(), False)

    async def store(self, objects: ObjectStore, key: str) -> None:
        """Have it in the object store, unless it is there."""
        if await objects.exists(key):
            return
        if self.passing:
            await objects.move_file(key, self.path)
        else:
            await objects.put_file(key, self.path)
