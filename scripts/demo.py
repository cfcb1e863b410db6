"""Builds a collection of pictures, finds pictures by pictures in it, and draws what was found: `make demo`.

Everything goes through a real server: a process of its own, spoken to over gRPC.
"""

import argparse
import io
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from soutu.cli.output import print_table, say
from soutu.cli.progress import show_progress
from soutu.cli.sheet import draw_sheet
from soutu.cli.tables import label, report_line
from soutu.cli.tiles import sheet_of
from soutu.client import Client, Part, SoutuCallError
from soutu.v1.image_pb2 import Image as StoredImage
from soutu.v1.search_pb2 import SearchResponse

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "demo"
SHEETS = ROOT / "demo"
GROCERY = ROOT.parent / "shared" / "datasets" / "grocery.tar.gz"
COLLECTION = "demo"
STOP_S = 30


class DemoError(Exception):
    """The demonstration did not show what it should; the message says what was seen instead."""


@dataclass(slots=True)
class Stopwatch:
    """How long each stage took, in seconds."""

    stages: list[tuple[str, float, str]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Times what happens within; a remark may be added to the list that it yields."""
        remarks: list[str] = []
        began = time.monotonic()
        yield remarks
        self.stages.append((name, time.monotonic() - began, ", ".join(remarks)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="a directory of your own pictures")
    asked = parser.parse_args().pictures
    watch = Stopwatch()
    try:
        demonstrate(asked, watch)
    except (DemoError, SoutuCallError) as error:
        say(f"The demo failed: {error}")
        return 1
    rows = [(name, f"{seconds:.2f}", remark) for name, seconds, remark in watch.stages]
    print_table(("stage", "seconds", ""), rows, right=("seconds",))
    return 0


def demonstrate(asked: Path | None, watch: Stopwatch) -> None:
    """The whole demonstration, in the order in which it is seen."""
    with watch.stage("pictures") as remarks:
        pictures = asked.resolve() if asked else found_pictures()
        remarks.append(shown(pictures))
    with running_server(pictures, watch) as address, Client(address) as client:
        with watch.stage("build") as remarks:
            remarks.append(build(client, pictures))
        stored = sorted(client.images.list(COLLECTION), key=lambda image: image.origin.path)
        if len(stored) < 3:
            raise DemoError(f"{len(stored)} pictures of {pictures} could be read; three are needed.")
        SHEETS.mkdir(exist_ok=True)
        by_stored_picture(client, stored[len(stored) // 3], watch)
        by_crop(client, pictures, stored[len(stored) // 2], watch)
        by_two_pictures(client, unlike_pair(client, stored), watch)
    explain_what_next(pictures / stored[len(stored) // 2].origin.path)


def found_pictures() -> Path:
    """The grocery photos where they are at hand, else pictures drawn for the purpose; made once."""
    directory = WORK / ("grocery" if GROCERY.exists() else "drawn")
    if directory.exists():
        return directory
    partial = directory.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    if GROCERY.exists():
        unpack_photos(partial)
    else:
        subprocess.run([sys.executable, ROOT / "scripts" / "draw_pictures.py", partial], check=True)
    return partial.rename(directory)


def unpack_photos(directory: Path) -> None:
    with tarfile.open(GROCERY) as archive:
        named = (each for each in archive if not each.name.startswith("iconic"))
        photos = (each for each in named if each.name.endswith(".jpg"))
        # Python before 3.11.4 knows no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(directory, members=photos)


@contextmanager
def running_server(pictures: Path, watch: Stopwatch) -> Iterator[str]:
    """A server with a fresh data directory that may read the pictures; yields its address."""
    shutil.rmtree(WORK / "data", ignore_errors=True)
    WORK.mkdir(parents=True, exist_ok=True)
    command = [*soutu(), "--data-dir", str(WORK / "data"), "serve", "--port", "0"]
    environment = {**os.environ, "SOUTU_BUILD_ROOTS": str(pictures)}
    with (WORK / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
    try:
        with watch.stage("server start"):
            address = announced_address(server)
        yield address
    finally:
        with watch.stage("server stop"):
            ended = stopped(server)
    if ended:
        raise DemoError(f"the server ended with {ended}; {shown(WORK / 'server.log')} says more.")


def stopped(server: "subprocess.Popen[str]") -> int:
    """Asks the server to drain, and returns its exit status; one that does not end is killed."""
    server.terminate()
    try:
        return server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def announced_address(server: "subprocess.Popen[str]") -> str:
    """The address in the line that a server prints when it serves."""
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        raise DemoError(f"the server did not start; {shown(WORK / 'server.log')} says why.")
    return line.split()[-1]


def build(client: Client, pictures: Path) -> str:
    client.collections.create(COLLECTION)
    handle = client.collections.build(COLLECTION, pictures)
    began = time.monotonic()
    show_progress(handle)
    result = handle.wait()
    rate = result.added / (time.monotonic() - began)
    return f"{result.added:,} pictures added, {result.failed:,} failed, {rate:.0f} a second"


def by_stored_picture(client: Client, image: StoredImage, watch: Stopwatch) -> None:
    """A stored picture finds others; and its own bytes, sent anew, find it."""
    answer = search(client, "stored", [Part(image.name)], watch)
    if image.name in [match.name for match in answer.matches]:
        raise DemoError(f"{label(image)} was found by itself, though it is the query.")
    content = io.BytesIO()
    client.images.download(image.name, content)
    expect(image, client.search(COLLECTION, content.getvalue(), page_size=1), within=1)


def by_crop(client: Client, pictures: Path, image: StoredImage, watch: Stopwatch) -> None:
    """The middle of a picture finds the picture."""
    answer = search(client, "crop", [Part(crop(pictures / image.origin.path))], watch)
    expect(image, answer, within=3)


def by_two_pictures(client: Client, images: Sequence[StoredImage], watch: Stopwatch) -> None:
    """Two pictures find what has something of both."""
    search(client, "combined", [Part(image.name) for image in images], watch)


def unlike_pair(client: Client, stored: Sequence[StoredImage]) -> Sequence[StoredImage]:
    """One picture, and the one least like it among some others."""
    first, *others = stored[:: max(1, len(stored) // 12)]
    return first, min(others, key=lambda image: client.compare(COLLECTION, first.name, image.name).score)


def search(client: Client, name: str, query: Sequence[Part], watch: Stopwatch) -> SearchResponse:
    """One query, printed and drawn."""
    with watch.stage(f"search: {name}") as remarks:
        answer = client.search(COLLECTION, query)
        remarks.append(report_line(answer.report))
    print(f"\nsearch: {name}")
    print_found(answer)
    sheet = SHEETS / f"{name}.png"
    draw_sheet(sheet_of(client, COLLECTION, query, answer)).save(sheet)
    print(f"drawn into {shown(sheet)}")
    return answer


def print_found(answer: SearchResponse) -> None:
    ranked = enumerate(answer.matches, start=1)
    rows = [(f"{rank}", f"{match.score:.3f}", label(match.image)) for rank, match in ranked]
    print_table(("", "score", "picture"), rows, right=("", "score"))


def expect(image: StoredImage, answer: SearchResponse, within: int) -> None:
    names = [match.name for match in answer.matches]
    if image.name not in names[:within]:
        place = f"at place {names.index(image.name) + 1}" if image.name in names else "not at all"
        raise DemoError(f"{label(image)} was found {place}; it should be among the first {within}.")


def crop(picture: Path) -> bytes:
    """The middle of a picture, 80 % of each side, as a new JPEG."""
    with Image.open(picture) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    width, height = upright.size
    middle = upright.crop((width // 10, height // 10, width - width // 10, height - height // 10))
    buffer = io.BytesIO()
    middle.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def explain_what_next(picture: Path) -> None:
    command = " ".join(shlex.quote(shown(Path(word)) if os.sep in word else word) for word in soutu())
    data, example = shlex.quote(shown(WORK / "data")), shlex.quote(shown(picture))
    print(f"""
Go on with the demo's collection, which lies in {data}
  {command} --data-dir {data} search {example} --sheet demo/mine.png
  {command} --data-dir {data} serve

or with your own pictures, in Soutu's usual data directory
  {command} build ~/Pictures --collection photos
  {command} search {example} --collection photos
""")


def soutu() -> list[str]:
    """The command, as it is installed beside this Python."""
    script = Path(sys.executable).with_name("soutu")
    return [str(script)] if script.exists() else [sys.executable, "-m", "soutu.cli"]


def shown(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
