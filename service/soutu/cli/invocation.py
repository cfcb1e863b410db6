"""What the options before the command say."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soutu.settings import Settings


@dataclass(frozen=True, slots=True)
class Invocation:
    """The global options; None where they were not given. `client` has those about keys and TLS, by the
    dotted key of the setting that they overrule."""

    config: Path | None = None
    data_dir: Path | None = None
    address: str | None = None
    verbose: bool = False
    client: Mapping[str, object] = field(default_factory=dict)

    def settings(self, overrides: Mapping[str, object] | None = None) -> "Settings":
        """The settings, with what the command line says put over them; raises SettingsError."""
        from soutu.settings import load_settings

        return load_settings(self.config, os.environ, {**self.overrides(), **(overrides or {})})

    def overrides(self) -> Mapping[str, object]:
        """What the command line says about settings, by dotted key."""
        return {**self.client, **({} if self.data_dir is None else {"data_dir": self.data_dir})}
