"""TIFFs of large numbers: 32-bit and floating-point samples, which Pillow reads wrongly or not at all.

TIFF 6.0, sections 3 to 6 and 19 (SampleFormat); strips of whole pixels, plain or deflated.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soutu.imaging.colour import scaled
from soutu.imaging.limits import DecodeLimits, unread_variant, unreadable
from soutu.imaging.tiff import Directory, Tiff

_PLAIN, _DEFLATED = 1, (8, 32946)
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_KINDS = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f"}
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_COLOURS = {_MIN_IS_WHITE: 1, _MIN_IS_BLACK: 1, _RGB: 3}
_MOST_STRIPS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the samples lie: the first directory's own words."""

    width: int
    height: int
    bits: tuple[int, ...]
    kind: int
    photometric: int
    samples: int
    compression: int

    @classmethod
    def of(cls, tiff: Tiff, first: Directory) -> Self:
        return cls(
            width=tiff.number(first, 256),
            height=tiff.number(first, 257),
            bits=tiff.numbers(first, 258) or (1,),
            kind=tiff.number(first, 339, _UNSIGNED),
            photometric=tiff.number(first, 262, -1),
            samples=tiff.number(first, 277, 1),
            compression=tiff.number(first, 259, _PLAIN),
        )

    @property
    def is_deep(self) -> bool:
        """Whether it is ours: Pillow reads samples of 16 bits, and one of float32, where white is the most.
        It refuses floats in colour, and so does Soutu."""
        bits = self.bits[0]
        if self.photometric not in _COLOURS or bits not in (16, 32, 64):
            return False
        if self.kind == _FLOAT:
            return self.samples == 1 and (bits != 32 or self.photometric == _MIN_IS_WHITE)
        return bits != 16 or (self.samples == 1 and self.photometric == _MIN_IS_WHITE)


def read_deep_tiff(data: bytes, limits: DecodeLimits) -> Image.Image | None:
    """The first picture in mode "L", "RGB" or "RGBA", its values scaled to 8 bits; None for one that is for
    Pillow. IMAGE_TOO_LARGE, IMAGE_UNREADABLE; IMAGE_FORMAT_UNSUPPORTED for samples that lie otherwise."""
    tiff = Tiff(data)
    first = tiff.first()
    layout = _Layout.of(tiff, first)
    if not layout.is_deep:
        return None
    limits.check_canvas(layout.width, layout.height)
    values = _values(data, tiff, first, layout)
    colours = _COLOURS[layout.photometric]
    shallow = scaled(values[:, :, :colours].astype(np.float32), _whites(layout))
    if layout.photometric == _MIN_IS_WHITE:
        shallow = 255 - shallow
    if layout.samples > colours:
        opaque = 1.0 if layout.kind == _FLOAT else float(np.iinfo(values.dtype).max)
        alpha = scaled(values[:, :, colours].astype(np.float32), (opaque,))
        rgb = shallow if colours == 3 else np.repeat(shallow, 3, axis=2)
        return Image.fromarray(np.dstack([rgb, alpha]))
    return Image.fromarray(shallow if colours == 3 else shallow[:, :, 0])


def _whites(layout: _Layout) -> tuple[float, ...]:
    return (1.0, 255.0) if layout.kind == _FLOAT else (65535.0,)


def _values(data: bytes, tiff: Tiff, first: Directory, layout: _Layout) -> NDArray[Any]:
    """The samples, of shape (height, width, samples)."""
    is_known = (
        layout.kind in _KINDS
        and set(layout.bits) == {layout.bits[0]}
        and layout.samples in (_COLOURS[layout.photometric], _COLOURS[layout.photometric] + 1)
        and layout.compression in (_PLAIN, *_DEFLATED)
        and tiff.number(first, 284, 1) == 1  # chunky
        and tiff.number(first, 317, 1) == 1  # no predictor
        and 322 not in first  # no tiles
    )
    if not is_known:
        raise unread_variant("image/tiff")
    dtype = np.dtype(f"{'>' if data[:2] == b'MM' else '<'}{_KINDS[layout.kind]}{layout.bits[0] // 8}")
    row_bytes = layout.width * layout.samples * dtype.itemsize
    body = b"".join(_strips(data, tiff, first, layout, row_bytes))
    if len(body) != row_bytes * layout.height:
        raise unreadable()
    return np.frombuffer(body, dtype).reshape(layout.height, layout.width, layout.samples)


def _strips(data: bytes, tiff: Tiff, first: Directory, layout: _Layout, row_bytes: int) -> Iterator[bytes]:
    """The strips, unpacked and never longer than they should be."""
    per_strip = min(tiff.number(first, 278, layout.height) or layout.height, layout.height)
    offsets, lengths = (tiff.numbers(first, tag, _MOST_STRIPS) for tag in (273, 279))
    for index, (offset, length) in enumerate(zip(offsets, lengths, strict=False)):
        rows = min(per_strip, layout.height - index * per_strip)
        if rows <= 0:
            return
        strip, most = data[offset : offset + length], rows * row_bytes
        if layout.compression == _PLAIN:
            yield strip[:most]
        else:
            yield zlib.decompressobj().decompress(strip, most)
