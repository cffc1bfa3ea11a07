"""Object stores for tests: a folder, or a bucket of moto's server (fixture `s3_endpoint`)."""

from pathlib import Path
from uuid import uuid4

from keepsake.clients.objects import ObjectStore, S3Store, open_objects
from keepsake.settings import Settings


def s3_settings(endpoint: str, bucket: str) -> dict[str, str]:
    """The settings of a bucket at moto's server."""
    return {
        "s3_endpoint": endpoint,
        "s3_bucket": bucket,
        "s3_access_key": "key",
        "s3_secret_key": "secret",
    }


def s3_store(endpoint: str, bucket: str) -> S3Store:
    """The store of a bucket, which may not be there."""
    store = open_objects(Settings.model_validate(s3_settings(endpoint, bucket)))
    assert isinstance(store, S3Store)
    return store


def new_bucket(endpoint: str) -> str:
    """The name of a bucket that was made just now."""
    bucket = f"test-{uuid4().hex[:12]}"
    s3_store(endpoint, bucket)._client.create_bucket(Bucket=bucket)
    return bucket


def folder_store(home: Path) -> ObjectStore:
    """The store of a data folder."""
    home.mkdir(exist_ok=True)
    return open_objects(Settings.model_validate({"keepsake_home": home}))
