"""Every statement of the hot paths looks its rows up: none walks a table or a whole collection."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from soutu.adapters.catalog import SqlCatalog
from soutu.domain.image import Keeping, Origin, Original
from soutu.domain.writing import Move, OnDuplicate, Remove
from tests.contract.catalog_fixtures import DRAFT, MODEL, opened, put


async def _use_all(catalog: SqlCatalog) -> None:
    uid = (await catalog.create_collection(DRAFT)).uid
    origin = Origin("s", "p")
    await catalog.commit(uid, [put("a", origin=origin), put("b", on_duplicate=OnDuplicate.REJECT)])
    await catalog.commit(uid, [Remove("a"), put("c", started_at=9, origin=origin)])
    await catalog.commit(uid, [Move("c", Origin("s", "q"), Original(Keeping.REFERENCED))])
    await catalog.head("pictures")
    await catalog.images(uid, [1, 2, 3])
    await catalog.image(uid, "b")
    await catalog.images_by_path(uid, "s", ["p"])
    await catalog.known_files(uid, "s", 0, 10)
    await catalog.list_images(uid, "", 10)
    await catalog.image_ids(uid, ["a"])
    await catalog.revisions(uid, 0, 10)
    await catalog.changes(uid, MODEL, 0, 10)
    await catalog.rows(uid, MODEL, [1])
    await catalog.forget_contents(["x"])
    await catalog.swept_contents(datetime.now(UTC), 10)


async def test_no_statement_walks_a_collection(tmp_path: Path) -> None:
    catalog = await opened(tmp_path)
    statements: dict[str, Sequence[Any]] = {}

    def note(_c: object, _u: object, sql: str, bound: Any, _x: object, many: bool) -> None:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.setdefault(sql, bound[0] if many else bound)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await _use_all(catalog)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    await catalog.close()
    assert len(statements) > 15
    database = sqlite3.connect(tmp_path / "catalog.db")
    for sql, bound in statements.items():
        for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", bound):
            plan = row[3]
            assert not plan.startswith("SCAN") or plan.startswith("SCAN anon"), (plan, sql)
            assert not plan.endswith("(collection_uid=?)"), (plan, sql)
    database.close()
