"""The limits that settings give, as values of the parts that keep them."""

import os

from soutu.imaging.limits import DecodeLimits
from soutu.ingest.unpacking import UnpackLimits
from soutu.settings import Settings


def decode_limits(settings: Settings) -> DecodeLimits:
    """The limits on pictures from strangers."""
    decode = settings.decode
    return DecodeLimits(
        size_bytes=decode.image_bytes,
        pixels=decode.pixels,
        side=decode.side,
        jpeg_scans=decode.jpeg_scans,
        metadata_bytes=decode.metadata_bytes,
        seconds=decode.seconds,
        memory_bytes=decode.memory_bytes,
        raw_size_bytes=decode.raw_bytes,
        raw_seconds=decode.raw_seconds,
    )


def unpack_limits(settings: Settings) -> UnpackLimits:
    """How far archives are unpacked."""
    archive = settings.archive
    return UnpackLimits(
        archive.total_bytes, archive.ratio, archive.small_bytes, archive.header_bytes, archive.members
    )


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
