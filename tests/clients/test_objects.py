"""Object stores: one set of promises, kept by the folder and by S3 (moto's server) alike."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from keepsake.clients.objects import PIECE, FolderStore, ObjectStore
from keepsake.errors import EndpointDown, PermanentError, RetryableError
from keepsake.metrics.counts import Series, counting
from tests.stores import s3_store


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def test_bytes_come_back(store: ObjectStore) -> None:
    await store.put_bytes("clips/1/a.mp3", b"old", "audio/mpeg")
    await store.put_bytes("clips/1/a.mp3", b"sound", "audio/mpeg")
    assert await store.get_bytes("clips/1/a.mp3") == b"sound"
    assert (await store.stat("clips/1/a.mp3")).size == 5
    assert await store.exists("clips/1/a.mp3")


async def test_files_come_back(store: ObjectStore, tmp_path: Path) -> None:
    original, copy = tmp_path / "a.wav", tmp_path / "b.wav"
    original.write_bytes(os.urandom(3_000_000))
    await store.put_file("audio/a.wav", original, "audio/wav")
    await store.get_file("audio/a.wav", copy)
    assert copy.read_bytes() == original.read_bytes()
    assert not [name for name in _files(tmp_path) if name.endswith(".part")]


async def test_what_is_stored_is_counted_once_and_what_fails_is_not(
    store: ObjectStore, tmp_path: Path
) -> None:
    file = tmp_path / "a.wav"
    with counting("family") as counts:
        await store.put_bytes("a", b"12345")
        file.write_bytes(b"123")
        await store.put_file("b", file)
        await store.move_file("c", file)
        with pytest.raises(RetryableError):
            await store.put_file("d", tmp_path / "missing")
    assert counts.values[Series("keepsake_object_upload_bytes_sum", ("family",))] == 11
    small = Series("keepsake_object_upload_bytes_bucket", ("family", "1048576"))
    assert counts.values[small] == 3


async def _read(store: ObjectStore, key: str, *bounds: int) -> list[bytes]:
    async with store.open_range(key, await store.stat(key), *bounds) as pieces:
        return [piece async for piece in pieces]


async def test_parts_come_in_pieces(store: ObjectStore) -> None:
    data = os.urandom(600_000)
    await store.put_bytes("audio/a.wav", data)
    whole = await _read(store, "audio/a.wav")
    assert b"".join(whole) == data
    assert max(map(len, whole)) <= PIECE
    assert b"".join(await _read(store, "audio/a.wav", 299_000)) == data[299_000:]
    assert b"".join(await _read(store, "audio/a.wav", 299_000, 299_001)) == data[299_000:299_001]


async def test_an_empty_object_has_no_pieces(store: ObjectStore) -> None:
    await store.put_bytes("empty", b"")
    assert await _read(store, "empty") == []


async def test_a_replaced_object_has_another_tag_and_is_not_read_as_the_old(
    store: ObjectStore,
) -> None:
    await store.put_bytes("a.txt", b"old")
    old = await store.stat("a.txt")
    await store.put_bytes("a.txt", b"new")
    assert (await store.stat("a.txt")).tag != old.tag
    with pytest.raises(RetryableError):
        async with store.open_range("a.txt", old):
            pytest.fail("it was opened")


async def test_an_object_that_has_gone_is_not_opened(store: ObjectStore) -> None:
    await store.put_bytes("a.txt", b"old")
    old = await store.stat("a.txt")
    await store.delete("a.txt")
    with pytest.raises(PermanentError, match=r"no object a\.txt"):
        async with store.open_range("a.txt", old):
            pytest.fail("it was opened")


async def test_missing_object_is_named(store: ObjectStore, tmp_path: Path) -> None:
    assert not await store.exists("clips/none.mp3")
    copy = tmp_path / "copy"
    for call in (
        store.get_bytes("clips/none.mp3"),
        store.stat("clips/none.mp3"),
        store.get_file("clips/none.mp3", copy),
    ):
        with pytest.raises(PermanentError, match=r"no object clips/none\.mp3"):
            await call
    assert not copy.exists()


async def test_deleting_twice_is_no_failure(store: ObjectStore) -> None:
    await store.put_bytes("gone.txt", b"x")
    await store.delete("gone.txt")
    await store.delete("gone.txt")
    assert not await store.exists("gone.txt")


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../b", "..", "a//b", "a/", "a\x00b", "a\\b"])
async def test_key_that_leads_elsewhere_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(PermanentError, match="not an object key"):
        await store.put_bytes(key, b"x")
    with pytest.raises(PermanentError, match="not an object key"):
        await store.get_bytes(key)


async def test_check_leaves_nothing_behind(store: ObjectStore, tmp_path: Path) -> None:
    await store.check()
    if isinstance(store, FolderStore):
        assert _files(tmp_path) == set()


async def test_address_can_be_shown(store: ObjectStore, tmp_path: Path) -> None:
    shown = store.url("clips/a.mp3")
    if isinstance(store, FolderStore):
        assert shown == str(tmp_path / "home/objects/clips/a.mp3")
    else:
        assert re.fullmatch(r"s3://test-\w+/clips/a\.mp3", shown)


async def test_full_disk_leaves_the_old_object_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    await store.put_bytes("a.txt", b"old")

    def no_space(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(RetryableError, match=r"disk is full: no room for a\.txt"):
        await store.put_bytes("a.txt", b"new")
    assert _files(tmp_path) == {"a.txt"}
    assert await store.get_bytes("a.txt") == b"old"


async def test_missing_source_is_not_mistaken_for_a_missing_object(tmp_path: Path) -> None:
    with pytest.raises(RetryableError, match="No such file"):
        await FolderStore(tmp_path / "objects").put_file("a.wav", tmp_path / "none.wav")


async def test_missing_bucket_names_the_variable(s3_endpoint: str, tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"x")
    with pytest.raises(EndpointDown, match="S3_BUCKET"):
        await s3_store(s3_endpoint, "nowhere").check()
    with pytest.raises(EndpointDown, match="S3_BUCKET"):
        await s3_store(s3_endpoint, "nowhere").put_file("a", source)


async def test_store_that_is_not_there_names_the_variable() -> None:
    with pytest.raises(RetryableError, match="S3_ENDPOINT"):
        await s3_store("http://127.0.0.1:9", "family").get_bytes("a")
