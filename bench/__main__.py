"""Measures the service beside what it stands on: `python -m bench [NAME...]`, "all" for everything.

Without a name, a first look of less than a minute: search by picture with the bundled model.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

from bench import (
    build,
    courtesy,
    engines,
    hostile,
    on_stack,
    overload,
    search_cached,
    search_filtered,
    search_image,
    search_vector,
    soak,
    startup,
    sync,
)
from bench.report import Machine, Table, keep, show
from bench.scale import FIRST_LOOK, Scale

Benchmark = tuple[str, Callable[[Scale], Sequence[Table]]]

BENCHMARKS: dict[str, Benchmark] = {
    "search_image": (search_image.TITLE, search_image.run),
    "search_vector": (search_vector.TITLE, search_vector.run),
    "search_filtered": (search_filtered.TITLE, search_filtered.run),
    "search_cached": (search_cached.TITLE, search_cached.run),
    "build": (build.TITLE, build.run),
    "overload": (overload.TITLE, overload.run),
    "courtesy": (courtesy.TITLE, courtesy.run),
    "models": (engines.TITLE, engines.run),
    "startup": (startup.TITLE, startup.run),
    "hostile": (hostile.TITLE, hostile.run),
    "sync": (sync.TITLE, sync.run),
    "stack": (on_stack.TITLE, on_stack.run),
    "soak": (soak.TITLE, soak.run),
    "soak_stack": (f"{soak.TITLE}, on the stack", soak.run_on_stack),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, {', '.join(BENCHMARKS)}")
    for field in fields(Scale):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), metavar="N")
    given = vars(parser.parse_args())
    names = chosen(given.pop("names"), parser)
    scale = replace(Scale() if names else FIRST_LOOK, **{k: v for k, v in given.items() if v is not None})
    print(Machine.present().sentence())
    if not names:
        show(search_image.TITLE, search_image.first_look(scale))
    for name in names:
        title, run = BENCHMARKS[name]
        tables = run(scale)
        show(title, tables)
        keep(name, title, tables)


def chosen(names: Sequence[str], parser: argparse.ArgumentParser) -> Sequence[str]:
    if "all" in names:
        return tuple(name for name in BENCHMARKS if not name.startswith("soak"))  # half an hour each
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {unknown[0]}; there are: all, {', '.join(BENCHMARKS)}")
    return names


if __name__ == "__main__":  # the children that draw and load import this module, too
    main()
