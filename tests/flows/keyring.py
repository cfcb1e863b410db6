"""A file of keys, and the secrets that open it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from soutu.domain.access import Key, Scope, new_key

_YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Keyring:
    """A key for every scope and an expired one, in `file`; their secrets by label."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "keys.toml"
        self.secrets: dict[str, str] = {}
        self._keys: list[Key] = []
        for scope in Scope:
            self.add(f"the-{scope.text}-key", scope)
        self.add("the-expired-key", Scope.ADMIN, _YESTERDAY)

    def add(self, label: str, scope: Scope, expires: datetime | None = None) -> str:
        """Another key, in the file from now on; its secret."""
        self.secrets[label], key = new_key(label, scope, expires)
        self._keys.append(key)
        self._write()
        return self.secrets[label]

    def remove(self, label: str) -> None:
        """Takes a key out of the file."""
        self._keys = [key for key in self._keys if key.label != label]
        self._write()

    def secret(self, scope: Scope) -> str:
        """That of the key with just this scope."""
        return self.secrets[f"the-{scope.text}-key"]

    def _write(self) -> None:
        self.file.write_text("# Who may call.\n" + "".join(f"{key.line()}\n" for key in self._keys))
