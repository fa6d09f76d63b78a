"""How a debtor's claims are counted: only what somebody unaffiliated held for half of its life."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from backend.receivables import conduct
from backend.receivables.conduct import held_half_its_life
from tests.backend.market import DEBTOR, FUNDER, SUPPLIER, address

START = datetime(2026, 6, 1, tzinfo=UTC)
S, F, ZERO = address(1), address(2), "0x" + "00" * 20
LIFE = 100


def at(day):
    return START + timedelta(days=day)


def moved(day, giver, taker, value):
    args = {"from": giver, "to": taker, "value": value}
    return SimpleNamespace(name="TransferSingle", args=args, time=at(day))


@pytest.mark.parametrize(
    ("moves", "counts"),
    [
        ([], False),
        ([(0, S, F, 1000)], True),
        ([(50, S, F, 1000)], True),
        ([(51, S, F, 1000)], False),
        ([(0, S, F, 500)], True),
        ([(0, S, F, 499)], False),
        ([(0, S, F, 1000), (50, F, S, 1000)], True),
        ([(0, S, F, 1000), (49, F, S, 1000)], False),
        ([(0, S, address(3), 1000)], False),  # the supplier's other account
    ],
)
def test_half_of_the_unit_days_are_outside(moves, counts):
    row = SimpleNamespace(face=1000, confirmed_at=at(0), settled_at=at(LIFE))
    entries = [moved(-1, ZERO, S, 1000), *(moved(*each) for each in moves)]
    assert held_half_its_life(row, entries, frozenset({S, address(3)})) is counts


def test_a_claim_that_is_not_settled_says_nothing():
    row = SimpleNamespace(face=1000, confirmed_at=at(0), settled_at=None)
    assert not held_half_its_life(row, [moved(0, S, F, 1000)], frozenset({S}))


async def test_signs_of_parties_that_are_one_or_trade_in_circles(market):
    supplier, debtor = await market.member(SUPPLIER | DEBTOR), await market.member(SUPPLIER | DEBTOR)
    database, ledger_id = market.world.database, market.world.ledger_id

    async def signs():
        async with database.reading() as session:
            return await conduct.signs(session, ledger_id, supplier.account, debtor.account)

    assert await signs() == ()
    await market.on_chain(debtor, supplier)
    assert await signs() == ("mirror",)
    padded = "0x" + supplier.key.address[2:].lower().rjust(64, "0")
    grant = {"scopes": 1023, "flags": 0, "epoch": 0, "from": 0, "until": 2**40 - 1, "limit": 1, "alone": 1}
    await market.happened("Participants", "KeyGranted", account=debtor.account, key=padded, grant=grant)
    assert await signs() == ("same-key", "mirror")


async def test_claims_nobody_else_held_do_not_count(market):
    supplier, debtor, bank = [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]
    claim = await market.on_chain(supplier, debtor)
    key, face = claim["chain_id"], claim["terms"]["amount"]
    await market.transferred(key, supplier.account, bank.account, face)
    await market.happened("Receivables", "Paid", id=key, interest=0, face=face, unpaid=0, settled=True)
    await market.happened("Receivables", "Settled", id=key, when=datetime.now(UTC) + timedelta(days=90))
    async with market.world.database.reading() as session:
        found = await conduct.of_debtor(session, market.world.ledger_id, debtor.account)
        nobody = await conduct.of_debtor(session, market.world.ledger_id, bank.account)
    assert (found.settled, found.disputed, nobody.settled) == (1, 0, 0)
