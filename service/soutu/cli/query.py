"""The query that the options of `soutu search` describe."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from soutu.client import Boost, Part

_WEIGHTED = re.compile(r"(?P<subject>.+)=(?P<weight>\d+(\.\d+)?)")
_AMOUNT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_STORED = "id:"
_TEXT = "text:"


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What was given; empty or None where it was not."""

    image: Path | None = None
    stored: str = ""
    vector: Path | None = None
    text: str = ""
    region: str = ""
    plus: Sequence[str] = ()
    minus: Sequence[str] = ()


def query_of(options: QueryOptions) -> "list[Part]":
    """The parts of the query; raises typer.BadParameter with what to write instead."""
    more = [_further(text, 1.0) for text in options.plus] + [_further(text, -1.0) for text in options.minus]
    first = _first(options)
    parts = [*first, *_words(options.text), *more]
    if not parts:
        raise typer.BadParameter("Give a picture, or --text, --id, --vector or --plus.")
    return parts


def _first(options: QueryOptions) -> "list[Part]":
    from soutu.client import Part

    given = [subject for subject in (options.image, options.stored, options.vector) if subject]
    if len(given) > 1:
        raise typer.BadParameter("Give one of a picture, --id and --vector; --plus and --minus add others.")
    if options.vector:
        return [Part(_vector(options.vector))]
    region = _region(options.region) if options.region else None
    if region and not given:
        raise typer.BadParameter("--region needs a picture or --id.")
    subject = _file(options.image) if options.image else options.stored
    return [Part(subject, region=region)] if given else []


def _words(text: str) -> "list[Part]":
    from soutu.client import Part, Text

    return [Part(Text(text))] if text else []


def _further(text: str, sign: float) -> "Part":
    """PATH, id:ID or text:WORDS, with =WEIGHT behind it if need be."""
    from soutu.client import Part, Text

    weighted = None if Path(text).exists() else _WEIGHTED.fullmatch(text)
    subject, weight = (weighted["subject"], float(weighted["weight"])) if weighted else (text, 1.0)
    if subject.startswith(_TEXT):
        return Part(Text(subject.removeprefix(_TEXT)), sign * weight)
    stored = subject.startswith(_STORED)
    return Part(subject.removeprefix(_STORED) if stored else _file(Path(subject)), sign * weight)


def boost_of(text: str) -> "Boost":
    """What "0.2 labels:cat" says: the amount, within [-1, 1], and the filter of the pictures that get it."""
    from soutu.client import Boost

    amount, _, filter_ = text.strip().partition(" ")
    if not filter_.strip() or not _AMOUNT.fullmatch(amount) or abs(float(amount)) > 1:
        raise typer.BadParameter(f"--boost is AMOUNT FILTER, such as '0.2 labels:cat', not {text!r}.")
    return Boost(filter=filter_, amount=float(amount))


def _file(path: Path) -> Path:
    if not path.is_file():
        hint = f" A stored image is written --id {path}, or {_STORED}{path} behind --plus."
        raise typer.BadParameter(f"There is no file {path}.{hint}")
    return path


def _vector(path: Path) -> "Sequence[float]":
    import numpy as np

    try:
        values: Sequence[float] = np.load(_file(path), allow_pickle=False).astype(np.float32).ravel().tolist()
    except (ValueError, EOFError) as error:
        raise typer.BadParameter(f"{path} is not an array of numbers saved by numpy.save.") from error
    return values


def _region(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter("--region is LEFT,TOP,RIGHT,BOTTOM as shares of the sides.") from error
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise typer.BadParameter("--region needs 0 <= LEFT < RIGHT <= 1 and 0 <= TOP < BOTTOM <= 1.")
    return left, top, right, bottom
