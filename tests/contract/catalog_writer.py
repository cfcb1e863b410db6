"""A process that commits until it is killed, printing each image id once its commit is acknowledged.

Run as: python -m tests.contract.catalog_writer DIRECTORY ROUND
"""

import asyncio
import sys
from itertools import count
from pathlib import Path

from tests.contract.catalog_fixtures import opened, put


async def _write_for_ever(directory: Path, round_name: str) -> None:
    catalog = await opened(directory)
    collection = (await catalog.head("pictures")).collection

    async def one_writer(writer: int) -> None:
        for turn in count():
            ids = [f"{round_name}-{writer}-{turn}-{n}" for n in range(5)]
            await catalog.commit(collection.uid, [put(image_id) for image_id in ids])
            print("\n".join(ids), flush=True)

    await asyncio.gather(*(one_writer(writer) for writer in range(3)))


if __name__ == "__main__":
    asyncio.run(_write_for_ever(Path(sys.argv[1]), sys.argv[2]))
