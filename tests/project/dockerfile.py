"""Runs the steps of our Dockerfile in directories, where there are no containers.

Knows what that file uses, and refuses what it does not know. Each stage has a directory that stands for its
root; ARGs may be given, as with `docker build --build-arg`, so that RUN steps stay inside of it.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")
RUN_S = 600


@dataclass
class Stage:
    """One stage's root and what its later steps and its containers see."""

    root: Path
    workdir: Path = Path("/")
    args: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    user: str = ""
    image: str = ""
    said: dict[str, str] = field(default_factory=dict)

    def expanded(self, text: str) -> str:
        """The text with ARGs and ENVs in place of their names."""
        known = {**self.args, **self.env}
        return re.sub(r"\$\{?(\w+)\}?", lambda found: known[found[1]], text)

    def place(self, path: str) -> Path:
        """Where a path of the image lies; one that is inside the build's directory already, itself."""
        whole = self.workdir / path
        if whole.is_relative_to(self.root.parent):
            return whole
        return self.root / whole.relative_to("/")


class Build:
    """A build of `file` out of `context` into directories below `place`; `given` are its ARGs."""

    def __init__(self, file: Path, context: Path, place: Path, given: Mapping[str, str]) -> None:
        self._file = file
        self._context = context
        self._place = place
        self._given = given
        self._stages: dict[str, Stage] = {}
        self.last = Stage(place)

    def run(self) -> Stage:
        """Runs every step in order, and returns the last stage."""
        for keyword, rest in steps(self._file.read_text("utf-8")):
            getattr(self, f"_{keyword.lower()}")(rest)
        return self.last

    def _from(self, rest: str) -> None:
        image, _, name = rest.partition(" AS ")
        name = name or str(len(self._stages))
        self.last = Stage(self._place / name, image=image)
        self.last.root.mkdir()
        self._stages[name] = self.last

    def _arg(self, rest: str) -> None:
        name, _, value = rest.partition("=")
        self.last.args[name] = self._given.get(name, value)

    def _env(self, rest: str) -> None:
        pairs = [pair.partition("=") for pair in rest.split()]
        self.last.env.update({name: self.last.expanded(value) for name, _, value in pairs})

    def _workdir(self, rest: str) -> None:
        self.last.workdir /= rest
        self.last.place(".").mkdir(parents=True, exist_ok=True)

    def _run(self, rest: str) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("SOUTU_", "PYTHON"))
        }
        ran = subprocess.run(
            ["/bin/sh", "-c", rest],
            cwd=self.last.place("."),
            env={**kept, **self.last.args, **self.last.env},
            capture_output=True,
            text=True,
            timeout=RUN_S,
        )
        assert ran.returncode == 0, f"RUN {rest}\n{ran.stdout}{ran.stderr}"

    def _copy(self, rest: str) -> None:
        options = dict(word[2:].split("=") for word in rest.split() if word.startswith("--"))
        assert options.keys() <= {"from", "chown"}
        *sources, target = [self.last.expanded(word) for word in rest.split() if not word.startswith("--")]
        for source in sources:
            found = self._source(source, options.get("from"))
            into = target.endswith("/") or target == "." or len(sources) > 1
            if found.is_dir():
                _copied(found, self.last.place(target))
            else:
                _copied(found, self.last.place(target) / found.name if into else self.last.place(target))

    def _source(self, path: str, stage: str | None) -> Path:
        if stage:
            return self._stages[stage].place(path)
        assert wanted(self._context, path), f"{path} is ignored by .dockerignore"
        return self._context / path

    def _user(self, rest: str) -> None:
        self.last.user = rest

    def _say(self, keyword: str, rest: str) -> None:
        self.last.said[keyword] = rest

    def _expose(self, rest: str) -> None:
        self._say("EXPOSE", rest)

    def _stopsignal(self, rest: str) -> None:
        self._say("STOPSIGNAL", rest)

    def _healthcheck(self, rest: str) -> None:
        self._say("HEALTHCHECK", rest[rest.index("CMD ") + 4 :])

    def _entrypoint(self, rest: str) -> None:
        self._say("ENTRYPOINT", rest)

    def _cmd(self, rest: str) -> None:
        self._say("CMD", rest)


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Keyword and rest of each step; comments left out, lines that go on joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for step in re.split(r"(?<!\\)\n", "\n".join(lines)):
        keyword, _, rest = re.sub(r"\\\n\s*", " ", step).partition(" ")
        yield keyword, rest.strip()


def words(said: str) -> Sequence[str]:
    """The words of a step in the form of a list, which is the one without a shell."""
    found: Sequence[str] = json.loads(said)
    return found


def wanted(context: Path, path: str) -> bool:
    """Whether .dockerignore, which leaves out everything but what it names, lets a path through."""
    lines = (context / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    return any(Path(path).is_relative_to(line[1:]) for line in lines if line.startswith("!"))


def _copied(source: Path, target: Path) -> None:
    if source == target:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=IGNORED)
    else:
        shutil.copy(source, target)
