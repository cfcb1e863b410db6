"""Finds and reads the settings file."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from soutu.settings.error import SettingsError
from soutu.settings.keys import CONFIG_VARIABLE

_NAME = "soutu.toml"


def found_file(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file that was asked for, which must exist, else the first of the usual places that does."""
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        if not named.is_file():
            origin = "--config" if config else CONFIG_VARIABLE
            raise SettingsError(f"There is no settings file {named} (named by {origin}).")
        return named
    return next((path for path in _usual_places(environ) if path.is_file()), None)


def _usual_places(environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path(_NAME)
    home = environ.get("XDG_CONFIG_HOME")
    yield (Path(home) if home else Path("~/.config").expanduser()) / "soutu" / _NAME


def file_values(file: Path) -> Mapping[str, object]:
    """The file's values by dotted key; SettingsError if it cannot be read or is not TOML."""
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}.") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error
    return dict(_flat(tables, prefix=""))


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, prefix=f"{prefix}{name}.")
        else:
            yield prefix + name, value
