"""How a job and its answer travel between the service and a decoder: JSON and raw bytes, never pickle.

The decoder has read a stranger's bytes, so its answers are checked like a stranger's.
job:    lengths of (JSON, image bytes), then both
answer: lengths of (JSON, thumbnail, pixels), then all three
"""

import json
import struct
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import NO_ANNOTATIONS, Annotations, Exif, Region
from soutu.domain.model import Fit, InputSpec, Interpolation
from soutu.imaging.job import Decoded, DecodeJob, Pixels

JOB_HEAD = struct.Struct("<II")
ANSWER_HEAD = struct.Struct("<III")
READY = b"ready"
ANSWER_BYTES = 256 * 1024 * 1024  # more than any answer has


def pack_job(data: bytes, job: DecodeJob) -> tuple[bytes, bytes]:
    """The job as a message in two parts, of which the second is the image: it may be large to copy."""
    text = _job_text(job)
    return JOB_HEAD.pack(len(text), len(data)) + text, data


@lru_cache(maxsize=32)
def _job_text(job: DecodeJob) -> bytes:
    """Most jobs are for the same model and the whole image."""
    return json.dumps(asdict(job)).encode()


@lru_cache(maxsize=32)
def unpack_job(text: bytes) -> DecodeJob:
    """The job that `pack_job` wrote as JSON."""
    fields = json.loads(text)
    wanted, region = fields["input"], fields["region"]
    if wanted:
        wanted["fit"] = Fit(wanted["fit"])
        wanted["interpolation"] = Interpolation(wanted["interpolation"])
    spec = InputSpec(**wanted) if wanted else None
    box = Region(**region) if region else None
    return DecodeJob(spec, box, fields["thumbnail_side"], fields["annotations"])


def pack_answer(decoded: Decoded) -> bytes:
    """An image, decoded, as one message."""
    captured_at = decoded.exif.captured_at
    fields = {
        "width": decoded.width,
        "height": decoded.height,
        "media_type": decoded.media_type,
        "camera": decoded.exif.camera,
        "lens": decoded.exif.lens,
        "captured_at": captured_at.isoformat() if captured_at else None,
        "thumbnail": decoded.thumbnail is not None,
    }
    if decoded.annotations != NO_ANNOTATIONS:
        fields["annotations"] = [decoded.annotations.rating, decoded.annotations.keywords]
    pixels = b"" if decoded.pixels is None else decoded.pixels.data.cast("B")
    return _pack(fields, decoded.thumbnail or b"", pixels)


def pack_refusal(error: SoutuError) -> bytes:
    """An image, refused, as one message."""
    fields = {"reason": error.reason.name, "message": error.message, "metadata": dict(error.metadata)}
    return _pack(fields, b"", b"")


def _pack(fields: dict[str, Any], thumbnail: bytes, pixels: bytes | memoryview) -> bytes:
    text = json.dumps(fields).encode()
    return b"".join((ANSWER_HEAD.pack(len(text), len(thumbnail), len(pixels)), text, thumbnail, pixels))


def unpack_answer(lengths: tuple[int, int, int], body: bytearray, job: DecodeJob) -> Decoded:
    """What the decoder answered; raises the SoutuError it answered with, ValueError for nonsense.

    `pixels` shares its memory with `body`.
    """
    text, thumbnail, pixels = _parts(lengths, body)
    try:
        fields = json.loads(bytes(text))
        answer = _refusal(fields) if "reason" in fields else _decoded(fields, thumbnail, _shaped(pixels, job))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not an answer") from error
    if isinstance(answer, Decoded):
        return answer
    try:
        raise answer
    finally:
        del answer  # else this frame would hold the error that holds the frame, and the picture with it


def _parts(lengths: tuple[int, int, int], body: bytearray) -> tuple[memoryview, memoryview, memoryview]:
    view = memoryview(body)
    first, second = lengths[0], lengths[0] + lengths[1]
    return view[:first], view[first:second], view[second:]


def _refusal(fields: dict[str, Any]) -> SoutuError:
    reason = Reason[fields["reason"]]
    if not reason.name.startswith("IMAGE_"):
        raise ValueError("a decoder cannot know of that")
    return SoutuError(reason, str(fields["message"]), **fields["metadata"])


def _decoded(fields: dict[str, Any], thumbnail: memoryview, pixels: Pixels | None) -> Decoded:
    moment = datetime.fromisoformat(fields["captured_at"]) if fields["captured_at"] else None
    exif = Exif(str(fields["camera"]), str(fields["lens"]), moment)
    return Decoded(
        width=int(fields["width"]),
        height=int(fields["height"]),
        media_type=str(fields["media_type"]),
        exif=exif,
        pixels=pixels,
        thumbnail=bytes(thumbnail) if fields["thumbnail"] else None,
        annotations=_annotations(*fields.get("annotations", (None, None))),
    )


def _annotations(rating: Any, keywords: Any) -> Annotations:
    return Annotations(
        None if rating is None else min(5, max(0, int(rating))),
        None if keywords is None else tuple(str(keyword)[:128] for keyword in keywords[:64]),
    )


def _shaped(pixels: memoryview, job: DecodeJob) -> Pixels | None:
    if job.input is None:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(job.input.height, job.input.width, 3)
