"""Probes measure from outside, rest in proportion, and say why they could not."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection, Pool, open_pool
from keepsake.metrics.counts import Series
from keepsake.monitoring import probes
from keepsake.monitoring.probes import PROBES, Probe, ProbeFailed, carry_out, is_due
from keepsake.owners.model_lifetimes import ends_of_models
from keepsake.settings import Settings
from tests.doubles.server import Double, serving

DISK = PROBES["disk"]


def given_settings(**values: Any) -> Settings:
    """Settings as their text in the environment is read."""
    return Settings.model_validate(values)


class Webserver(Double):
    """Dagster's, with one daemon, one sensor and one code location."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.now(UTC).timestamp()
        self.location: dict[str, Any] = {
            "__typename": "RepositoryLocation",
            "repositories": [
                {
                    "sensors": [
                        self.sensor("new_bookmarks", "RUNNING", self.now - 7),
                        self.sensor("asleep", "STOPPED", self.now - 7000),
                    ]
                }
            ],
        }

    @staticmethod
    def sensor(name: str, status: str, at: float) -> dict[str, Any]:
        ticks = [{"endTimestamp": at}, {"endTimestamp": at - 25}]
        return {"name": name, "sensorState": {"status": status, "ticks": ticks}}

    async def answer(self, request: Request) -> Response:
        daemons = [
            {"daemonType": "SENSOR", "required": True, "lastHeartbeatTime": self.now - 30},
            {"daemonType": "BACKFILL", "required": True, "lastHeartbeatTime": None},
            {"daemonType": "MONITORING", "required": False, "lastHeartbeatTime": None},
        ]
        entries = [{"name": "keepsake", "locationOrLoadError": self.location}]
        return JSONResponse(
            {
                "data": {
                    "instance": {"daemonHealth": {"allDaemonStatuses": daemons}},
                    "workspaceOrError": {"__typename": "Workspace", "locationEntries": entries},
                }
            }
        )


@pytest.fixture
def webserver() -> Iterator[tuple[Webserver, Settings]]:
    with serving(double := Webserver()) as url:
        yield double, given_settings(dagster_port=int(url.rpartition(":")[2].split("/")[0]))


def measured(probe: str, settings: Settings) -> dict[tuple[str, ...], float]:
    async def measure() -> probes.Measured:
        return await PROBES[probe].measure(settings)

    found = asyncio.run(measure())
    return {(series.metric, *series.labels): value for series, value in found.items()}


def test_dagster_is_asked_for_its_signs_of_life(webserver: tuple[Webserver, Settings]) -> None:
    double, settings = webserver
    assert measured("dagster", settings) == {
        (probes.HEARTBEAT, "SENSOR"): pytest.approx(30, abs=5),
        (probes.HEARTBEAT, "BACKFILL"): float("inf"),
        (probes.LOCATION, "keepsake"): 1,
        (probes.TICK, "new_bookmarks"): pytest.approx(7, abs=5),
    }
    double.location = {"__typename": "PythonError", "className": "DagsterUserCodeUnreachableError"}
    found = measured("dagster", settings)
    assert found[probes.LOCATION, "keepsake"] == 0
    assert (probes.TICK, "new_bookmarks") not in found


def test_a_sensor_without_a_tick_that_ended_says_nothing(
    webserver: tuple[Webserver, Settings],
) -> None:
    double, settings = webserver
    (sensor, _) = double.location["repositories"][0]["sensors"]
    sensor["sensorState"]["ticks"] = []
    assert (probes.TICK, "new_bookmarks") not in measured("dagster", settings)


async def test_objects_are_added_up(store: ObjectStore) -> None:
    assert await store.used_bytes() == 0
    await store.put_bytes("a/b/c", b"12345")
    await store.put_bytes("d", b"67")
    assert await store.used_bytes() == 7


def test_the_quota_is_beside_what_is_used(tmp_path: Path) -> None:
    settings = given_settings(keepsake_home=tmp_path, objects_quota="1.5kB")
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "a").write_bytes(b"1234")
    assert measured("objects", settings) == {(probes.OBJECTS,): 4, (probes.QUOTA,): 1500}


def test_the_newest_backup_is_the_one_that_was_made_to_its_end(tmp_path: Path) -> None:
    settings = given_settings(backup_dir=str(tmp_path))
    with pytest.raises(ProbeFailed, match="there is no backup yet"):
        measured("newest_backup", settings)
    for name in ("20261101T020000Z", "20261103T020000Z-2", ".20261104T020000Z", "objects"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").touch()
    (tmp_path / "20261105T020000Z").mkdir()
    made = datetime(2026, 11, 3, 2, tzinfo=UTC).timestamp()
    assert measured("newest_backup", settings) == {(probes.BACKUP,): made}
    assert measured("newest_backup", given_settings(keepsake_home=tmp_path / "home")) == {}


def test_a_certificate_is_looked_at_where_the_public_address_has_one() -> None:
    assert measured("certificate", given_settings(public_url="http://127.0.0.1:1")) == {}
    with pytest.raises(ProbeFailed, match="PUBLIC_URL does not answer"):
        measured("certificate", given_settings(public_url="https://127.0.0.1:1"))


@pytest.fixture
def self_signed_address(tmp_path: Path) -> Iterator[str]:
    """Where a server has a certificate that it signed itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path / "certificate.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError), listener.accept()[0] as plain:
                context.wrap_socket(plain, server_side=True)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def _self_signed(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keepsake.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=5))
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + certificate.public_bytes(encoding))
    return path


def test_a_certificate_that_browsers_refuse_is_refused(self_signed_address: str) -> None:
    with pytest.raises(ProbeFailed, match="is refused"):
        measured("certificate", given_settings(public_url=self_signed_address))


def test_models_of_the_settings_have_their_ends() -> None:
    """The same name elsewhere is another model."""
    openai = given_settings(
        chat_base_url="https://api.openai.com/v1", chat_model="gpt-5-mini", openai_api_key="k"
    )
    assert ends_of_models(openai) == {"gpt-5-mini": datetime(2026, 12, 11, tzinfo=UTC)}
    own = given_settings(chat_base_url="http://models.internal/v1", chat_model="gpt-5-mini")
    assert ends_of_models(own) == {}


# -- what is kept ---------------------------------------------------------------------------------


def rows(db: Connection) -> dict[tuple[str, str], tuple[float | None, str | None]]:
    found = db.execute("SELECT metric, labels, value, error FROM probes").fetchall()
    return {(metric, labels): (value, error) for metric, labels, value, error in found}


async def test_a_probe_that_fails_says_why_and_keeps_what_was_measured(
    db: Connection, database_url: str
) -> None:
    async def measure(_: Settings) -> dict[Series, float]:
        if failing:
            raise ProbeFailed("the store refuses our key")
        return {Series(probes.DISK, ()): 0.5}

    probe = Probe("disk", timedelta(minutes=1), (probes.DISK,), measure)
    async with open_pool(database_url) as pool:
        failing = False
        await carry_out(pool, probe, given_settings())
        assert rows(db) == {(probes.DISK, ""): (0.5, None), (probes.SUCCESS, "disk"): (1, None)}
        failing = True
        await carry_out(pool, probe, given_settings())
        assert rows(db) == {
            (probes.DISK, ""): (0.5, None),
            (probes.SUCCESS, "disk"): (None, "the store refuses our key"),
        }


async def test_an_unforeseen_error_tells_its_type_alone(db: Connection, database_url: str) -> None:
    async def measure(_: Settings) -> dict[Series, float]:
        raise RuntimeError("what somebody said")

    async with open_pool(database_url) as pool:
        await carry_out(pool, Probe("disk", timedelta(0), (), measure), given_settings())
    assert rows(db) == {(probes.SUCCESS, "disk"): (None, "unforeseen: RuntimeError")}


async def test_a_probe_that_takes_long_rests_longer(db: Connection, database_url: str) -> None:
    async def measure(_: Settings) -> dict[Series, float]:
        await asyncio.sleep(0.05)
        return {}

    async with open_pool(database_url) as pool:
        await carry_out(pool, Probe("disk", timedelta(0), (), measure), given_settings())
    rest = db.execute("SELECT extract(epoch FROM next_at - measured_at) FROM probes").fetchone()
    assert rest is not None
    assert rest[0] >= 1


@pytest.mark.parametrize(
    ("measured_ago", "next_in", "due"),
    [(5, 55, False), (61, -1, True), (-3600, 3660, True), (3600, -3540, True)],
    ids=["rests", "its-time", "clock-went-back", "clock-went-forward"],
)
async def test_when_a_probe_is_due(
    db: Connection, database_url: str, measured_ago: int, next_in: int, due: bool
) -> None:
    async def asked(pool: Pool) -> bool:
        async with pool.connection() as connection:
            return await is_due(connection, DISK)

    async with open_pool(database_url) as pool:
        assert await asked(pool)  # it was never measured
        db.execute(
            "INSERT INTO probes (metric, labels, value, measured_at, next_at)"
            " VALUES (%s, 'disk', 1, now() - %s, now() + %s)",
            (probes.SUCCESS, timedelta(seconds=measured_ago), timedelta(seconds=next_in)),
        )
        assert await asked(pool) is due
