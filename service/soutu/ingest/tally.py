"""What a build has done so far; as text it is the cursor that the build resumes at."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts up to and including the file at `path`, in the order of the source."""

    path: str = ""
    added: int = 0
    unchanged: int = 0
    failed: int = 0
    revision: int = 0

    @property
    def done(self) -> int:
        """Files dealt with, failed ones included."""
        return self.added + self.unchanged + self.failed

    def text(self) -> str:
        """The cursor."""
        return json.dumps(asdict(self))

    @classmethod
    def parsed(cls, cursor: str) -> "Tally":
        """The tally that `text` wrote; a new one for an empty cursor."""
        return cls(**json.loads(cursor)) if cursor else cls()

    def after(self, path: str, added: int, unchanged: int, failed: int) -> "Tally":
        """The counts once these files are dealt with, too."""
        return replace(
            self,
            path=path,
            added=self.added + added,
            unchanged=self.unchanged + unchanged,
            failed=self.failed + failed,
        )

    def result(self, revision: str) -> Mapping[str, object]:
        """The result of the operation."""
        return {
            "added": self.added,
            "unchanged": self.unchanged,
            "failed": self.failed,
            "revision": revision,
        }
