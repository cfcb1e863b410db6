import json
from typing import Any

import pytest

from soutu.domain.image import Region
from soutu.domain.model import Fit, InputSpec, Interpolation
from soutu.imaging.job import DecodeJob
from soutu.imaging.wire import JOB_HEAD, pack_job, unpack_answer, unpack_job

ANSWER = {"width": 1, "height": 1, "media_type": "image/png", "camera": "", "lens": ""}


@pytest.mark.parametrize(
    "job",
    [
        DecodeJob(),
        DecodeJob(InputSpec(3, 2, Fit.PAD, 0.9, Interpolation.BICUBIC), Region(0, 0.1, 0.5, 1), 128),
    ],
)
def test_a_job_arrives_as_it_was_sent(job: DecodeJob) -> None:
    message = b"".join(pack_job(b"image", job))
    text_bytes, data_bytes = JOB_HEAD.unpack(message[: JOB_HEAD.size])
    text = message[JOB_HEAD.size :][:text_bytes]
    assert unpack_job(text) == job
    assert message[-data_bytes:] == b"image"


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {"reason": "CATALOG_UNAVAILABLE", "message": "", "metadata": {}},
        {"reason": "IMAGE_MADE_UP", "message": "", "metadata": {}},
        {"reason": "IMAGE_EMPTY", "message": "", "metadata": 3},
        {**ANSWER, "captured_at": "never", "thumbnail": False},
        {**ANSWER, "captured_at": None, "thumbnail": False},
    ],
)
def test_an_answer_that_no_decoder_of_ours_gives_is_a_value_error(fields: Any) -> None:
    text = json.dumps(fields).encode()
    body = bytearray(text + b"pixels, too few")
    with pytest.raises(ValueError, match=r"."):
        unpack_answer((len(text), 0, 15), body, DecodeJob(InputSpec(2, 3)))
