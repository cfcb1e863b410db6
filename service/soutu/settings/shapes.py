"""What addresses in settings look like: a wrong one is refused at the start, in a sentence."""

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_HIGHEST_PORT = 65_535


def _like(pattern: str, sentence: str) -> AfterValidator:
    """Empty, or as the pattern has it, with a port that is one where it has any."""

    def check(text: str) -> str:
        if text and not (re.fullmatch(pattern, text) and _port_is_one(text)):
            raise PydanticCustomError("shape", "{sentence}", {"sentence": sentence})
        return text

    checked: Callable[[str], str] = check
    return AfterValidator(checked)


def _port_is_one(text: str) -> bool:
    try:
        port = urlsplit(text if "//" in text else f"//{text}").port
    except ValueError:
        return False
    return port is None or 0 < port <= _HIGHEST_PORT


HostAndPort = Annotated[
    str,
    _like(
        r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}",
        "should be host:port, with nothing before and behind",
    ),
]
RedisUrl = Annotated[
    str,
    _like(
        r"rediss?://[^\s/]+(/[0-9]*)?(\?\S*)?|unix://\S*/\S+",
        "should be as redis://host:6379/0 or rediss://host:6379/0",
    ),
]
BucketUrl = Annotated[str, _like(r"s3://[^\s/]+(/\S*)?", "should be s3://bucket or s3://bucket/prefix")]
WebAddress = Annotated[
    str,
    _like(
        r"https?://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/\S*)?", "should be as https://host:port"
    ),
]
