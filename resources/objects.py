"""Object storage as a Dagster resource: a folder, or S3 through dagster-aws."""

from pathlib import Path
from typing import Protocol

import dagster as dg

from keepsake.clients.objects import FolderStore, ObjectStore
from keepsake.settings import ObjectSettings


class ObjectsResource(Protocol):
    """A resource that gives an object store."""

    def store(self) -> ObjectStore:
        """The object store."""
        ...


class FolderObjectsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Objects as files in a folder of the data folder."""

    folder: str

    def store(self) -> ObjectStore:
        """The object store."""
        return FolderStore(Path(self.folder))


def objects_resource(settings: ObjectSettings) -> dg.ConfigurableResource:  # type: ignore[type-arg]
    """The object store that the settings name.

    dagster-aws is imported only where a bucket is set: boto3 would cost every run half a second.
    """
    if not settings.s3_bucket:
        return FolderObjectsResource(folder=str(settings.objects_folder))
    from resources.s3 import S3ObjectsResource, s3_resource

    return S3ObjectsResource(s3=s3_resource(settings), bucket=settings.s3_bucket)
