"""Reads settings from SOUTU_* variables, and from the files that SOUTU_*_FILE variables name."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from soutu.settings.error import SettingsError
from soutu.settings.keys import CONFIG_VARIABLE, VARIABLE_PREFIX, Key, known_keys, nearest

FILE_SUFFIX = "_FILE"


def variable_values(environ: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    """The dotted key, the variable and the value of each setting that the environment names.

    A setting's value may lie in a file, as mounted secrets do: `SOUTU_CACHE_URL_FILE` names it.
    SettingsError for a variable without a setting, a file that cannot be read, and a value given twice.
    """
    known = {key.variable: key for key in known_keys().values()}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(VARIABLE_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable in known:
            yield known[variable].name, variable, _value(known[variable], text)
            continue
        key = known.get(variable.removesuffix(FILE_SUFFIX)) if variable.endswith(FILE_SUFFIX) else None
        if key is None:
            guess = nearest(variable, [*known, CONFIG_VARIABLE], VARIABLE_PREFIX)
            raise SettingsError(f"There is no setting for the environment variable {variable}.{guess}")
        if key.variable in environ:
            raise SettingsError(f"{key.name} is set twice: by {key.variable} and by {variable}; unset one.")
        if text:
            yield key.name, variable, _value(key, _content(Path(text), variable))


def _value(key: Key, text: str) -> object:
    return tuple(part for part in text.split(key.separator) if part) if key.many else text


def _content(file: Path, variable: str) -> str:
    """What the file holds, less the line's end that editors put there."""
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{file} cannot be read (named by {variable}): {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not text in UTF-8 (named by {variable}).") from error
