"""Where audio and other large things are stored: a folder, or a bucket that speaks S3.

Both stores keep the same promises: an object is there whole or not at all, a missing one is a
`PermanentError` that names its key, and trouble with the store itself is worth another try. What
keys are called is the steps' business.
"""

import asyncio
import errno
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from keepsake.clients.failures import in_words
from keepsake.errors import DiskFull, EndpointDown, PermanentError, RetryableError, StepError
from keepsake.metrics.counts import observe
from keepsake.settings import ObjectSettings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

OCTETS = "application/octet-stream"
PIECE = 1 << 18  # bytes of an object that are in memory while it is streamed
LINK_SECONDS = 12 * 3600  # that a signed address holds
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_PASSING = {
    "SlowDown", "RequestTimeout", "Throttling", "ThrottlingException",
    "PreconditionFailed",  # it was replaced between `stat` and `open_range`
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """An object as it is now: bytes, a tag that changes with every `put`, and when that was."""

    size: int
    tag: str
    at: datetime


class ObjectStore(Protocol):
    """Objects by key. A key is a relative path with `/` between its parts.

    Every method raises `PermanentError` for a key that is not one, `RetryableError` when the store
    fails or is full, and `EndpointDown` (role `objects`) when it refuses us.
    """

    async def put_file(self, key: str, path: Path, content_type: str = OCTETS) -> None:
        """Store the file at `path`, in place of what was there."""

    async def move_file(self, key: str, path: Path, content_type: str = OCTETS) -> None:
        """`put_file`, after which there is nothing at `path`. Where it can be, it is renamed."""

    async def put_bytes(self, key: str, data: bytes, content_type: str = OCTETS) -> None:
        """Store `data`, in place of what was there."""

    async def get_file(self, key: str, path: Path) -> None:
        """Write the object to `path` without holding it in memory; whole or not at all.

        Raises:
            PermanentError: there is no such object.
        """

    async def get_bytes(self, key: str) -> bytes:
        """The object itself.

        Raises:
            PermanentError: there is no such object.
        """

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""

    async def stat(self, key: str) -> Stored:
        """Its size, and whether it is still the same.

        Raises:
            PermanentError: there is no such object.
        """

    def open_range(
        self, key: str, stored: Stored, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes from `start` to before `end` (None: to its end), in pieces of 256 KiB or less.

        Opened when the block begins: what is wrong by then is raised there, the rest while reading.

        Args:
            key: of the object.
            stored: what `stat` said of it; both bounds lie within its size.
            start: of the first byte.
            end: of the byte after the last.

        Raises:
            PermanentError: there is no such object.
            RetryableError: it is no longer the one that `stored` describes.
        """

    async def delete(self, key: str) -> None:
        """Remove the object, if it is there."""

    def url(self, key: str) -> str:
        """Where a person or a player finds it: an absolute path, or `s3://bucket/key`."""

    def link(self, key: str) -> str:
        """An address that a browser opens: a `file:` one, or one of S3, signed, for 12 hours."""

    async def used_bytes(self) -> int:
        """The size of all objects. It lists them: a second for every 10,000 or so in a bucket."""

    async def check(self) -> None:
        """Write, read and delete a probe.

        Raises:
            StepError: saying what does not work and which setting to check.
        """


def open_objects(settings: ObjectSettings) -> ObjectStore:
    """The store that `settings` name. Nothing is connected before the first call."""
    if not settings.s3_bucket:
        return FolderStore(settings.objects_folder)
    import boto3
    from botocore.config import Config

    # Short retries of its own: a step that fails on its last line would pay for its model calls
    # again. Checksums only when needed: not every compatible store knows the newer ones.
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 3},
        s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint or None,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key.get_secret_value() or None,
        aws_secret_access_key=settings.s3_secret_key.get_secret_value() or None,
        config=config,
    )
    return S3Store(client, settings.s3_bucket)


class FolderStore:
    """Objects as files under a folder. It makes that folder, but not the one that holds it.

    So that a data folder is made by who starts Keepsake, not by whatever writes from elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    async def put_file(self, key: str, path: Path, content_type: str = OCTETS) -> None:
        """See `ObjectStore`. A folder keeps no content types."""
        with _counted(path):
            await asyncio.to_thread(self._put, key, path)

    async def move_file(self, key: str, path: Path, content_type: str = OCTETS) -> None:
        """See `ObjectStore`."""
        with _counted(path):
            await asyncio.to_thread(self._move, key, path)

    async def put_bytes(self, key: str, data: bytes, content_type: str = OCTETS) -> None:
        """See `ObjectStore`. A folder keeps no content types."""
        with _counted(data):
            await asyncio.to_thread(self._put, key, data)

    async def get_file(self, key: str, path: Path) -> None:
        """See `ObjectStore`."""
        await asyncio.to_thread(self._get, key, path)

    async def get_bytes(self, key: str) -> bytes:
        """See `ObjectStore`."""
        with self._failures(key):
            return await asyncio.to_thread(self._path(key).read_bytes)

    async def exists(self, key: str) -> bool:
        """See `ObjectStore`."""
        return await asyncio.to_thread(self._path(key).is_file)

    async def stat(self, key: str) -> Stored:
        """See `ObjectStore`."""
        with self._failures(key):
            return _as_stored(await asyncio.to_thread(self._path(key).stat))

    @asynccontextmanager
    async def open_range(
        self, key: str, stored: Stored, start: int = 0, end: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `ObjectStore`."""
        with self._failures(key):
            file = await asyncio.to_thread(self._path(key).open, "rb")
        with file:
            if _as_stored(os.fstat(file.fileno())) != stored:
                raise RetryableError(f"the object {key} was replaced just now")
            file.seek(start)
            length = (stored.size if end is None else end) - start
            yield _pieces(file.read, length, lambda: self._failures(key))

    async def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        with self._failures(key):
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def url(self, key: str) -> str:
        """The absolute path of the file."""
        return str(self._path(key))

    def link(self, key: str) -> str:
        """See `ObjectStore`."""
        return self._path(key).as_uri()

    async def used_bytes(self) -> int:
        """See `ObjectStore`."""
        with self._failures(""):
            return await asyncio.to_thread(_size_of, self._root)

    async def check(self) -> None:
        """See `ObjectStore`."""
        await _probe(self)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _move(self, key: str, source: Path) -> None:
        with self._failures(key):
            target = self._target(key)
            with source.open("rb") as file:
                os.fsync(file.fileno())
            try:
                source.replace(target)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        self._put(key, source)  # it lies in another file system
        source.unlink()

    def _target(self, key: str) -> Path:
        """Where an object is to be, in a folder that is there."""
        if not self._root.parent.is_dir():
            raise EndpointDown(
                f"there is no folder {self._root.parent} to store objects in: run "
                "`keepsake up`, which makes it, or set KEEPSAKE_HOME or S3_BUCKET",
                role="objects",
            )
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _put(self, key: str, source: Path | bytes) -> None:
        with self._failures(key):
            target = self._target(key)
            with _whole(target) as part, part.open("xb") as file:
                if isinstance(source, bytes):
                    file.write(source)
                else:
                    with source.open("rb") as original:
                        shutil.copyfileobj(original, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())

    def _get(self, key: str, path: Path) -> None:
        source = self._path(key)
        with self._failures(key), _whole(path) as part:
            shutil.copyfile(source, part)

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        """Say in our words what the file system says in its own."""
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            if error.filename != self.url(key):  # then it is the other file that is missing
                raise _disk_failure(key, error) from error
            raise MissingObject(key) from error
        except OSError as error:
            raise _disk_failure(key, error) from error


class S3Store:
    """Objects in a bucket, through a boto3 client, which is safe to use from many threads."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put_file(self, key: str, path: Path, content_type: str = OCTETS) -> None:
        """See `ObjectStore`. Large files go in parts."""
        with _counted(path), self._failures(key):
            await asyncio.to_thread(
                self._client.upload_file,
                str(path),
                self._bucket,
                checked_key(key),
                ExtraArgs={"ContentType": content_type},
            )

    async def move_file(self, key: str, path: Path, content_type: str = OCTETS) -> None:
        """See `ObjectStore`."""
        await self.put_file(key, path, content_type)
        await asyncio.to_thread(path.unlink)

    async def put_bytes(self, key: str, data: bytes, content_type: str = OCTETS) -> None:
        """See `ObjectStore`."""
        with _counted(data), self._failures(key):
            await asyncio.to_thread(
                self._client.put_object,
                Bucket=self._bucket,
                Key=checked_key(key),
                Body=data,
                ContentType=content_type,
            )

    async def get_file(self, key: str, path: Path) -> None:
        """See `ObjectStore`."""
        with self._failures(key):
            await asyncio.to_thread(self._get, checked_key(key), path)

    async def get_bytes(self, key: str) -> bytes:
        """See `ObjectStore`."""
        with self._failures(key):
            return await asyncio.to_thread(self._read, checked_key(key))

    async def exists(self, key: str) -> bool:
        """See `ObjectStore`."""
        try:
            await self.stat(key)
        except MissingObject:
            return False
        return True

    async def stat(self, key: str) -> Stored:
        """See `ObjectStore`."""
        with self._failures(key):
            head = await asyncio.to_thread(
                self._client.head_object, Bucket=self._bucket, Key=checked_key(key)
            )
            return Stored(head["ContentLength"], head["ETag"].strip('"'), head["LastModified"])

    @asynccontextmanager
    async def open_range(
        self, key: str, stored: Stored, start: int = 0, end: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `ObjectStore`."""
        end = stored.size if end is None else end
        if end == start:  # S3 knows no empty range
            yield _pieces(lambda _: b"", 0, lambda: self._failures(key))
            return
        with self._failures(key):
            answer = await asyncio.to_thread(
                self._client.get_object,
                Bucket=self._bucket,
                Key=checked_key(key),
                Range=f"bytes={start}-{end - 1}",
                IfMatch=f'"{stored.tag}"',
            )
        with closing(answer["Body"]) as body:
            yield _pieces(body.read, end - start, lambda: self._failures(key))

    async def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        with self._failures(key):
            await asyncio.to_thread(
                self._client.delete_object, Bucket=self._bucket, Key=checked_key(key)
            )

    def url(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self._bucket}/{checked_key(key)}"

    def link(self, key: str) -> str:
        """See `ObjectStore`. Signed here: nothing is asked of the store.

        Raises:
            EndpointDown: there are no credentials to sign with.
        """
        with self._failures(key):
            return self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": checked_key(key)},
                ExpiresIn=LINK_SECONDS,
            )

    async def used_bytes(self) -> int:
        """See `ObjectStore`. Former versions of objects are not counted."""
        with self._failures("the list of objects"):
            return await asyncio.to_thread(self._listed_bytes)

    async def check(self) -> None:
        """See `ObjectStore`."""
        await _probe(self)

    def _listed_bytes(self) -> int:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return sum(found["Size"] for page in pages for found in page.get("Contents", ()))

    def _get(self, key: str, path: Path) -> None:
        with _whole(path) as part:
            self._client.download_file(self._bucket, key, str(part))

    def _read(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        """Say in our words what boto3 says in its own."""
        from boto3.exceptions import Boto3Error, S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except ClientError as error:
            raise self._refusal(key, error) from error
        except S3UploadFailedError as error:
            # upload_file wraps what went wrong, and keeps it as the context.
            if isinstance(error.__context__, ClientError):
                raise self._refusal(key, error.__context__) from error
            raise RetryableError(f"the upload of {key} to S3 broke off") from error
        except NoCredentialsError as error:
            raise EndpointDown(
                "S3 asks for credentials: set S3_ACCESS_KEY and S3_SECRET_KEY", role="objects"
            ) from error
        except (BotoCoreError, Boto3Error) as error:
            raise RetryableError(
                f"no answer from the object store ({in_words(error)}): "
                "is S3_ENDPOINT right, and is it up?"
            ) from error
        except OSError as error:
            raise _disk_failure(key, error) from error

    def _refusal(self, key: str, error: "ClientError") -> StepError:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            return EndpointDown(f"there is no bucket {self._bucket}: S3_BUCKET", role="objects")
        if code in _MISSING:
            return MissingObject(key)
        if code in _REFUSED:
            return EndpointDown(
                f"the object store refuses our key ({code}): "
                "check S3_ACCESS_KEY, S3_SECRET_KEY and S3_BUCKET",
                role="objects",
            )
        if status >= 500 or code in _PASSING:
            return RetryableError(f"the object store failed on {key} ({status} {code})")
        return PermanentError(f"the object store refused {key} ({status} {code})")


class MissingObject(PermanentError):
    """There is no such object."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no object {key}")


def checked_key(key: str) -> str:
    """`key`, when it is a relative path that stays inside the store.

    Raises:
        PermanentError: it is not.
    """
    parts = key.split("/")
    if "\x00" in key or "\\" in key or any(part in ("", ".", "..") for part in parts):
        raise PermanentError(f"not an object key: {key!r}")
    return str(PurePosixPath(*parts))


def _size_of(folder: Path) -> int:
    """Of all files beneath. What goes meanwhile is not counted."""
    total, left = 0, [str(folder)]
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    else:
                        with suppress(FileNotFoundError):
                            total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total


@contextmanager
def _counted(source: Path | bytes) -> Iterator[None]:
    """Count the storing of an object, if it comes to its end: its size, and its time."""
    size = len(source) if isinstance(source, bytes) else _file_size(source)
    started = time.monotonic()
    yield
    observe("keepsake_object_upload_bytes", size)
    observe("keepsake_object_upload_duration_seconds", time.monotonic() - started)


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # who reads it says so in words that fit


def _as_stored(found: os.stat_result) -> Stored:
    """A file that is replaced is another file, written later: its inode and its time say so."""
    return Stored(
        size=found.st_size,
        tag=f"{found.st_ino:x}-{found.st_mtime_ns:x}",
        at=datetime.fromtimestamp(found.st_mtime, UTC),
    )


async def _pieces(
    read: Callable[[int], bytes],
    length: int,
    failures: Callable[[], AbstractContextManager[None]],
) -> AsyncIterator[bytes]:
    """The next `length` bytes that `read` gives, each piece read in a thread."""
    while length > 0:
        with failures():
            piece = await asyncio.to_thread(read, min(PIECE, length))
        if not piece:
            raise RetryableError("an object ended before its length")
        length -= len(piece)
        yield piece


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to, renamed to it at the end: all of a file or none."""
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _disk_failure(key: str, error: OSError) -> StepError:
    """What an error of the file system means for an object."""
    if error.errno in _NO_SPACE:
        return DiskFull(f"the disk is full: no room for {key}")
    return RetryableError(f"the file system failed on {key} ({os.strerror(error.errno or 0)})")


async def _probe(store: ObjectStore) -> None:
    key, data = f"probes/{uuid.uuid4().hex}", b"keepsake"
    await store.put_bytes(key, data, "text/plain")
    try:
        if await store.get_bytes(key) != data:
            raise RetryableError("the object store gave back something else than was stored")
    finally:
        await store.delete(key)
