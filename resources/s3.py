"""Objects in a bucket, through dagster-aws's `S3Resource`. Imported only where a bucket is set."""

from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from keepsake.clients.objects import ObjectStore, S3Store
from keepsake.settings import ObjectSettings


class S3ObjectsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Objects in a bucket of S3 or of a compatible store."""

    s3: S3Resource
    bucket: str

    def store(self) -> ObjectStore:
        """The object store. Its client is made once here: each `get_client()` is a new one."""
        return S3Store(self.s3.get_client(), self.bucket)


def s3_resource(settings: ObjectSettings) -> S3Resource:
    """The `S3Resource` of the settings; its keys stay in the environment."""
    keys: dict[str, Any] = {}
    if settings.s3_access_key.get_secret_value():
        keys = {
            "aws_access_key_id": dg.EnvVar("S3_ACCESS_KEY"),
            "aws_secret_access_key": dg.EnvVar("S3_SECRET_KEY"),
        }
    return S3Resource(
        endpoint_url=settings.s3_endpoint or None, region_name=settings.s3_region, **keys
    )
