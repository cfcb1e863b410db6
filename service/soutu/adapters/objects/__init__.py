"""Stored bytes, through obstore: a local directory now, S3 with the same class."""

from soutu.adapters.objects.local import LocalObjects
from soutu.adapters.objects.store import ObstoreObjects

__all__ = ["LocalObjects", "ObstoreObjects"]
