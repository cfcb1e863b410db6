"""Whatever the bombs of the tests hold, the decoders answer with the reason that is meant for it."""

from collections import Counter

import pytest
from PIL import Image

from soutu.domain.errors import SoutuError
from soutu.domain.model import InputSpec
from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from soutu.imaging.pool import DecodePool
from tests.unit.imaging.bombs import BOMBS, noise
from tests.unit.imaging.pictures import LIMITS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
JOB = DecodeJob(InputSpec(64, 64), thumbnail_side=64)
SLOW = "50 megapixels"


@pytest.fixture(autouse=True)
def as_in_a_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


@pytest.mark.parametrize("name", [name for name in BOMBS if SLOW not in name])
def test_a_bomb_is_refused_for_what_it_is(name: str) -> None:
    drawn, reasons, limit = BOMBS[name]
    reason, named = outcome(drawn())
    assert reason in reasons
    assert not limit or named == limit


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BOMBS if SLOW in name])
async def test_a_bomb_that_keeps_to_the_limits_costs_no_more_than_they_allow(name: str) -> None:
    drawn, reasons, _ = BOMBS[name]
    pool = DecodePool(1, LIMITS)
    await pool.start()
    try:
        await pool.decode(drawn(), JOB)
    except SoutuError as error:
        found = error.reason.name
    else:
        found = ""
    finally:
        await pool.close()
    assert found in reasons


def test_noise_behind_the_head_of_a_format_is_refused() -> None:
    found = Counter(outcome(data)[0] for data in noise(12))
    assert found.keys() <= {"IMAGE_UNREADABLE", "IMAGE_FORMAT_UNSUPPORTED", "IMAGE_TOO_LARGE"}


def outcome(data: bytes) -> tuple[str, str]:
    """The reason for a refusal and the limit it names; empty where there is a picture."""
    try:
        decode(data, JOB, LIMITS)
    except SoutuError as error:
        return error.reason.name, error.metadata.get("limit", "")
    return "", ""
