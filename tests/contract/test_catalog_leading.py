"""The Catalog port's promises on leads: one process follows a generation at a time, and proves it."""

import asyncio

import pytest

from soutu.domain.collection import Collection
from soutu.domain.lead import Lead, LeadLostError
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import MovableClock, at, put

LEASE_S = 10.0


async def taken(catalog: Catalog, owner: str) -> Lead:
    (standing,) = await catalog.standings()
    lead = await catalog.take_lead(standing.generation.uid, owner, LEASE_S)
    assert lead is not None
    return lead


async def test_a_generation_has_one_leader(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    (standing,) = await catalog.standings()
    assert (standing.revision, standing.image_count, standing.lead) == (0, 0, None)
    uid = standing.generation.uid
    leads = await asyncio.gather(*(catalog.take_lead(uid, owner, LEASE_S) for owner in "abc"))
    (lead,) = [each for each in leads if each]
    assert (lead.term, lead.followed, lead.ready, lead.clean) == (1, 0, False, True)
    assert (await catalog.standings())[0].lead == lead
    clock.move(LEASE_S - 1)
    assert await catalog.take_lead(uid, "z", LEASE_S) is None
    again = await catalog.take_lead(uid, lead.owner, LEASE_S)
    assert again is not None
    assert (again.term, again.until > lead.until) == (1, True)


async def test_a_lease_that_ran_out_is_anothers_and_its_former_owner_is_told(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    first = await taken(catalog, "a")
    assert await catalog.tell_lead(first, 7, ready=True, lease_s=LEASE_S)
    clock.move(LEASE_S + 1)
    assert await catalog.tell_lead(first, 8, ready=True, lease_s=LEASE_S)  # nobody has taken it
    clock.move(LEASE_S + 1)
    second = await taken(catalog, "b")
    assert (second.term, second.followed, second.ready, second.clean) == (2, 8, True, False)
    assert not await catalog.tell_lead(first, 9, ready=False, lease_s=LEASE_S)
    with pytest.raises(LeadLostError):
        await catalog.set_followed(first.generation_uid, 9, lead=first)
    await catalog.set_followed(first.generation_uid, 8, lead=second)
    (standing,) = await catalog.standings()
    assert standing.lead is not None
    assert (standing.lead.followed, standing.lead.ready, standing.generation.followed) == (8, True, 8)
    clock.move(LEASE_S + 1)
    third = await taken(catalog, "a")  # its own former term is as lost as another's
    assert third.term == 3
    assert not await catalog.tell_lead(first, 9, ready=True, lease_s=LEASE_S)


async def test_what_is_kept_is_not_taken_and_what_was_let_go_is_free(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    lead = await taken(catalog, "a")
    for _ in range(3):
        clock.move(LEASE_S - 1)
        await catalog.keep_leads("a", LEASE_S)
        await catalog.keep_leads("b", LEASE_S)
    assert await catalog.take_lead(lead.generation_uid, "b", LEASE_S) is None
    await catalog.leave_lead(lead)
    taker = await taken(catalog, "b")
    assert (taker.term, taker.clean) == (2, True)
    await catalog.leave_lead(lead)
    assert await catalog.take_lead(lead.generation_uid, "a", LEASE_S) is None


async def test_comparisons_are_counted(catalog: Catalog, pictures: Collection) -> None:
    lead = await taken(catalog, "a")
    await catalog.ask_comparison(lead.generation_uid)
    await catalog.ask_comparison(lead.generation_uid)
    (standing,) = await catalog.standings()
    assert standing.lead is not None
    assert standing.lead.comparisons == lead.comparisons + 2


async def test_what_is_gone_has_no_standing(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [put("a")])
    lead = await taken(catalog, "a")
    old = (await catalog.head("pictures")).generation
    new = await catalog.create_replacement(old, "g1~")
    assert [each.image_count for each in await catalog.standings()] == [1, 1]
    assert await catalog.replace_generation(old, new, at(1))
    assert [(each.generation.uid, each.lead) for each in await catalog.standings()] == [(new.uid, None)]
    assert not await catalog.tell_lead(lead, 1, ready=True, lease_s=LEASE_S)
    await catalog.take_lead(new.uid, "a", LEASE_S)
    await catalog.delete_collection(pictures.uid)
    assert await catalog.standings() == []


async def test_a_secret_is_that_of_whoever_was_first(catalog: Catalog) -> None:
    kept = await asyncio.gather(*(catalog.shared_secret("key", bytes([n] * 32)) for n in range(4)))
    assert len(set(kept)) == 1
    assert kept[0][0] in range(4)
    assert await catalog.shared_secret("other", b"\0\xff'\\") == b"\0\xff'\\"
