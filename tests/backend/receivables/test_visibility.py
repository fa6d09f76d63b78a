"""Pages of receivables: what a party sees, each once, read from indexes."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.receivables import visibility
from backend.receivables.repository import ReceivableRecord
from tests.backend.market import DEBTOR, FUNDER, SUPPLIER, Market


async def _ids(user: Any, limit: int = 2) -> list[str]:
    """Every id the user is shown, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = (await user.get("/v1/receivables", params=query)).json()
        found += [each["id"] for each in page["items"]]
        if (cursor := page["next"]) is None:
            return found


@pytest.mark.parametrize("many", [2_000, 0], ids=["from holdings", "from the newest down"])
async def test_each_side_sees_its_own_once_and_newest_first(
    market: Market, monkeypatch: pytest.MonkeyPatch, many: int
):
    monkeypatch.setattr(visibility, "_MANY", many)
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    bank, guest = await market.member(FUNDER), await market.member(FUNDER)
    invoice, numbers = market.invoice, count(1)

    def another(seller: Any, buyer: Any) -> Any:
        return invoice(seller, buyer, fingerprints=[f"0x{next(numbers):064x}"])

    monkeypatch.setattr(market, "invoice", another)
    made = [await market.on_chain(supplier, debtor) for _ in range(5)]
    for each in (made[1], made[3]):
        await market.transferred(each["chain_id"], supplier.account, bank.account, 1_000)
    await supplier.user.post(
        f"{made[2]['links']['self']}/invitations", json={"party_id": str(guest.party_id)}
    )

    newest_first = [each["id"] for each in reversed(made)]
    assert await _ids(supplier.user) == await _ids(debtor.user) == newest_first
    assert await _ids(bank.user, limit=1) == [made[3]["id"], made[1]["id"]]
    assert await _ids(guest.user) == [made[2]["id"]]
    assert await _ids((await market.member(FUNDER)).user) == []


async def test_a_page_is_read_from_indexes_and_no_further(market: Market):
    """With a million rows the planner must be able to do without reading a table whole."""
    supplier, bank = await market.member(SUPPLIER), await market.member(FUNDER)
    await market.on_chain(supplier, await market.member(DEBTOR))
    database, ledger = market.world.database, market.world.ledger_id
    async with database.reading() as session:
        if not database.is_sqlite:
            await session.execute(text("SELECT set_config('enable_seqscan', 'off', true)"))
        parts = await visibility.parts(session, ledger, bank.party_id, [bank.account])
        plans = [await _plan(session, part) for part in parts]
    assert not [plan for plan in plans if "Seq Scan" in plan or "SCAN receivables" in plan], plans
    in_order = plans[0] + plans[1]
    assert "Sort" not in in_order, "what was supplied and is owed comes in order from its index"
    assert "TEMP B-TREE" not in in_order, "what was supplied and is owed comes in order from its index"


async def _plan(session: AsyncSession, part: Any) -> str:
    page = part.order_by(ReceivableRecord.id.desc()).limit(51)
    sqlite = session.get_bind().dialect.name == "sqlite"
    words = page.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    rows = await session.execute(text(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{words}"))
    return "\n".join(str(row[-1]) for row in rows)
