"""Shows the settings in force, with where each came from and without secrets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from soutu.settings.keys import Key, known_keys
from soutu.settings.read import SettingsSources

DEFAULT = "default"
_USER_PASSWORD = re.compile(r"://([^:/@]*):.*@")
_QUERY_PASSWORD = re.compile(r"((?:password|passwd)=)[^&]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as `soutu config` prints it; passwords in `value` are masked."""

    key: str
    value: str
    source: str


def described(sources: SettingsSources) -> Sequence[Row]:
    """Every setting, in the order of the schema."""
    return [
        Row(key.name, _shown(key, _value(sources, key)), sources.sources.get(key.name, DEFAULT))
        for key in known_keys().values()
    ]


def _value(sources: SettingsSources, key: Key) -> object:
    start: object = sources.settings
    return reduce(getattr, key.name.split("."), start)


def _shown(key: Key, value: object) -> str:
    text = key.separator.join(map(str, value)) if isinstance(value, tuple) else str(value)
    return masked(text) if key.secret else text


def masked(secret: str) -> str:
    """Three asterisks; of a URL, only its passwords are replaced by them."""
    if secret and "://" not in secret:
        return "***"
    url = secret
    return _QUERY_PASSWORD.sub(r"\1***", _USER_PASSWORD.sub(r"://\1:***@", url))
