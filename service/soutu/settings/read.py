"""Reads the settings: defaults, then the file, then the environment, then the command line's overrides."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from soutu.settings.environment import variable_values
from soutu.settings.error import SettingsError
from soutu.settings.file import file_values, found_file
from soutu.settings.keys import known_keys, nearest
from soutu.settings.schema import Settings

OVERRIDE = "the command line"


@dataclass(frozen=True, slots=True)
class SettingsSources:
    """The settings, and for each dotted key that is not a default, where its value was set."""

    settings: Settings
    sources: Mapping[str, str]
    file: Path | None


@dataclass(frozen=True, slots=True)
class _Given:
    value: object
    source: str


def load_settings(
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The settings in force; SettingsError says in a sentence what is wrong.

    `config` is the file to read, before SOUTU_CONFIG, ./soutu.toml and $XDG_CONFIG_HOME/soutu/soutu.toml.
    `overrides` are values by dotted key.
    """
    return read_settings(config, environ, overrides).settings


def read_settings(
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, object] | None = None,
) -> SettingsSources:
    """As load_settings, with where each value came from."""
    file = found_file(config, environ)
    given: dict[str, _Given] = {}
    given.update(_data_home(environ))
    if file:
        given.update(_known(file_values(file), str(file)))
    given.update(_variables(environ))
    given.update(_known(overrides or {}, OVERRIDE))
    sources = {name: value.source for name, value in given.items()}
    return SettingsSources(settings=_checked(given), sources=sources, file=file)


def _data_home(environ: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    if home := environ.get("XDG_DATA_HOME"):
        yield "data_dir", _Given(Path(home) / "soutu", "XDG_DATA_HOME")


def _known(values: Mapping[str, object], source: str) -> Iterator[tuple[str, _Given]]:
    known = known_keys()
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"There is no setting {name} (set in {source}).{nearest(name, known)}")
        yield name, _Given(value, source)


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    for name, variable, value in variable_values(environ):
        yield name, _Given(value, variable)


def _checked(given: Mapping[str, _Given]) -> Settings:
    nested: dict[str, object] = {}
    for name, value in given.items():
        section, _, key = name.rpartition(".")
        place = nested.setdefault(section, {}) if section else nested
        assert isinstance(place, dict)
        place[key] = value.value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        raise SettingsError(_sentence(error, given)) from None


def _sentence(error: ValidationError, given: Mapping[str, _Given]) -> str:
    """The first of the mistakes. A secret's value is not repeated."""
    mistake = error.errors(include_url=False)[0]
    rule = mistake.get("ctx", {})  # a rule about several keys names the one to blame
    name = rule.get("key") or ".".join(str(part) for part in mistake["loc"] if not isinstance(part, int))
    value = rule.get("value", mistake["input"])
    shown = "" if known_keys()[name].secret else f" {value!r}"
    message = mistake["msg"].replace("Input should", "should")
    return f"{name}{shown} (set in {given[name].source}): {message[0].lower()}{message[1:]}."
