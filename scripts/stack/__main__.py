"""Starts and ends the production stack on this machine, without containers.

python -m scripts.stack up [PART ...]      starts parts (all of them), waits until they answer
python -m scripts.stack status             says what runs
python -m scripts.stack settings           prints Soutu's settings for it, to be eval'ed by a shell
python -m scripts.stack down [PART ...]    ends them; their data stays in build/stack
"""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence

from scripts.stack.parts import PARTS
from scripts.stack.places import StackError
from scripts.stack.running import down, known, settings, up


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.stack", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("verb", choices=["up", "status", "settings", "down"])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    given = parser.parse_args(arguments)
    for name in given.parts:
        if name not in PARTS:
            parser.error(f"there is no part {name}; there are {', '.join(PARTS)}")
    try:
        {"up": _up, "status": _status, "settings": _settings, "down": _down}[given.verb](
            given.parts or [*PARTS]
        )
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    return 0


def _up(names: Sequence[str]) -> None:
    for name in names:
        began = time.monotonic()
        running = up(name)
        print(f"{name:<8} answers, pid {running.pid}, after {time.monotonic() - began:.1f} s", flush=True)


def _status(names: Sequence[str]) -> None:
    parts = known()
    for name in names:
        running = parts.get(name)
        print(f"{name:<8} {f'runs, pid {running.pid}' if running and running.alive else 'does not run'}")


def _settings(names: Sequence[str]) -> None:
    for variable, value in settings().items():
        print(f"export {variable}={shlex.quote(value)}")


def _down(names: Sequence[str]) -> None:
    for name in reversed(names):
        down(name)


if __name__ == "__main__":
    sys.exit(main())
