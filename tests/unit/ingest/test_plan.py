"""What a sync finds to do."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from soutu.domain.image import Keeping, KnownFile
from soutu.ingest.plan import Action, Plan, compare, planned
from soutu.ingest.sources import Item

# A directory is path -> (content, mtime); a content's size is the length of its name.
Files = Mapping[str, tuple[str, int]]


def known(files: Files) -> dict[str, KnownFile]:
    return {
        path: KnownFile(uid, f"i{uid}", 1, path, len(content), mtime, content, Keeping.REFERENCED)
        for uid, (path, (content, mtime)) in enumerate(files.items(), 1)
    }


async def plan_of(
    before: Files, now: Files, *, keep_vanished: bool = False, unread: Sequence[str] = ()
) -> tuple[Plan, list[str]]:
    """The plan, and what was hashed for it."""
    items = [Item((0, path), len(content), mtime) for path, (content, mtime) in sorted(now.items())]
    hashed: list[str] = []

    async def digests(asked: Sequence[Item]) -> Mapping[str, str]:
        hashed.extend(item.path for item in asked)
        return {item.path: now[item.path][0] for item in asked}

    comparison = compare(items, known(before), unread)
    return await planned(comparison, digests, keep_vanished=keep_vanished), hashed


def entries(plan: Plan) -> list[tuple[Action, str, str]]:
    return list(plan.entries())


async def test_what_is_as_it_was_is_not_read() -> None:
    files = {"a": ("aa", 1), "b": ("bbb", 1)}
    plan, hashed = await plan_of(files, files)
    assert (plan.unchanged, plan.size, hashed) == (2, 0, [])


async def test_new_changed_and_vanished_files() -> None:
    before = {"a": ("aa", 1), "b": ("bb", 1), "c": ("c", 1)}
    plan, hashed = await plan_of(before, {"a": ("aaa", 2), "b": ("xx", 2), "d": ("dddd", 1)})
    assert entries(plan) == [
        (Action.ADD, "d", ""),
        (Action.CHANGE, "a", ""),
        (Action.CHANGE, "b", ""),
        (Action.DELETE, "c", ""),
    ]
    assert hashed == ["b"]


async def test_a_new_time_alone_is_no_change() -> None:
    plan, hashed = await plan_of({"a": ("aa", 1)}, {"a": ("aa", 2)})
    assert (entries(plan), [item.path for item, _ in plan.touched], hashed) == ([], ["a"], ["a"])


async def test_a_file_with_the_content_of_a_vanished_one_has_moved() -> None:
    plan, _ = await plan_of(
        {"a": ("xx", 1), "b": ("yy", 1)}, {"c/b": ("yy", 1), "c/a": ("xx", 5), "z": ("zz", 1)}
    )
    assert entries(plan) == [(Action.ADD, "z", ""), (Action.MOVE, "c/a", "a"), (Action.MOVE, "c/b", "b")]


async def test_a_copy_is_no_move_and_each_vanished_file_moves_once() -> None:
    plan, _ = await plan_of({"a": ("xx", 1)}, {"a": ("xx", 1), "b": ("xx", 1)})
    assert entries(plan) == [(Action.ADD, "b", "")]
    plan, _ = await plan_of(
        {"a": ("xx", 1), "b": ("xx", 1)}, {"c": ("xx", 1), "d": ("xx", 1), "e": ("xx", 1)}
    )
    assert entries(plan) == [(Action.ADD, "e", ""), (Action.MOVE, "c", "a"), (Action.MOVE, "d", "b")]


async def test_what_has_vanished_may_be_kept() -> None:
    plan, _ = await plan_of({"a": ("xx", 1), "b": ("y", 1)}, {"c": ("xx", 1)}, keep_vanished=True)
    assert entries(plan) == [(Action.MOVE, "c", "a")]


async def test_what_could_not_be_looked_at_has_not_vanished() -> None:
    before = {"a/1": ("xx", 1), "ab": ("yy", 1), "c": ("zz", 1)}
    plan, _ = await plan_of(before, {"c": ("zz", 1)}, unread=["a/"])
    assert entries(plan) == [(Action.DELETE, "ab", "")]


_FILES = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.sampled_from(["x", "y", "zz", "ww"]), st.integers(1, 2))
)


@given(_FILES, _FILES)
async def test_a_plan_leads_from_any_state_to_any_other(before: Files, now: Files) -> None:
    plan, _ = await plan_of(before, now)
    state = {path: content for path, (content, _) in before.items()}
    for _, file in plan.moved:
        del state[file.path]
    for file in plan.deleted:
        del state[file.path]
    moved = {item.path: file.sha256 for item, file in plan.moved}
    read = {item.path: now[item.path][0] for item in (*plan.added, *plan.changed)}
    assert not set(moved) & set(state)
    state |= moved | read
    # Equal size and time pass for equal content: such changes are not looked for.
    same_look = {
        path
        for path in before
        if path in now and before[path][1] == now[path][1] and len(before[path][0]) == len(now[path][0])
    }
    assert {path: state[path] for path in state if path not in same_look} == {
        path: content for path, (content, _) in now.items() if path not in same_look
    }
