"""Ids for the images of a source's files."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from soutu.ports import ImageCatalog


async def free_ids(
    catalog: ImageCatalog, collection_uid: int, source: str, paths: Sequence[str]
) -> Mapping[str, str]:
    """An id for each path that no image has: the same again for the same file, unless another image has it by
    now, such as one whose file was moved."""
    ids: dict[str, str] = {}
    waiting, turn = list(paths), 0
    while waiting:
        wanted = {path: image_id_of(source, path, turn) for path in waiting}
        taken = await catalog.image_ids(collection_uid, list(wanted.values()))
        ids |= {path: image_id for path, image_id in wanted.items() if image_id not in taken}
        waiting, turn = [path for path in waiting if wanted[path] in taken], turn + 1
    return ids


def image_id_of(source: str, path: str, turn: int = 0) -> str:
    """A readable id for the image of a source's file; another one at each turn."""
    text = f"{source}\0{path}" + (f"\0{turn}" if turn else "")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    stem = re.sub(r"[^a-z0-9]+", "-", path.rsplit(".", 1)[0].lower()).strip("-")[-100:].strip("-")
    return f"{stem}-{digest}" if stem else digest
