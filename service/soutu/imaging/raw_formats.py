"""Cameras' raw files, told apart by their first bytes, or by a TIFF's first directory."""

from soutu.imaging.tiff import BIG, CLASSIC, KINDRED, SUB_IFDS, Tiff

DNG = "image/x-adobe-dng"
CR2 = "image/x-canon-cr2"
CR3 = "image/x-canon-cr3"
NEF = "image/x-nikon-nef"
ARW = "image/x-sony-arw"
RAF = "image/x-fuji-raf"
ORF = "image/x-olympus-orf"
RW2 = "image/x-panasonic-rw2"
OTHER = ""

_MOST_ENTRIES = 256  # this is asked in the service itself, which has no time for more
_RAF_HEAD = b"FUJIFILMCCD-RAW "
_SUBFILE_TYPE, _PHOTOMETRIC, _MAKE, _DNG_VERSION = 254, 262, 271, 50706
_CFA, _LINEAR_RAW = 32803, 34892
SENSOR_DATA = (_CFA, _LINEAR_RAW)


def sniff_raw(data: bytes) -> str | None:
    """The media type of a raw file, OTHER for one of a kind that is not read, None for anything else."""
    head = data[:4]
    if head in CLASSIC or head in BIG:
        return CR2 if data[8:10] == b"CR" else _sniff_tiff(data)
    if head in KINDRED:
        return RW2 if head == b"IIU\0" else ORF
    if data[4:12] == b"ftypcrx ":
        return CR3
    return RAF if data.startswith(_RAF_HEAD) else None


def may_be_raw(beginning: bytes) -> bool:
    """Whether bytes that begin like this may be those of a raw file."""
    likely = beginning[4:12] == b"ftypcrx " or beginning.startswith(_RAF_HEAD)
    return likely or beginning[:4] in (*CLASSIC, *BIG, *KINDRED)


def _sniff_tiff(data: bytes) -> str | None:
    """Raw files are TIFFs that say so, that begin with sensor data, or that begin with a small preview and
    keep the picture in a directory below."""
    tiff = Tiff(data, _MOST_ENTRIES)
    first = tiff.first()
    if _DNG_VERSION in first:
        return DNG
    is_preview = bool(tiff.number(first, _SUBFILE_TYPE) & 1) and SUB_IFDS in first
    if not is_preview and tiff.number(first, _PHOTOMETRIC) not in SENSOR_DATA:
        return None
    make = tiff.text(first, _MAKE).upper()
    return NEF if make.startswith("NIKON") else ARW if make.startswith("SONY") else OTHER
