"""The accounting identity of a receivable, in every order of operations."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backend.receivables.accounting import AccountingError, Ledger

HOLDERS = ("supplier", "bank", "second bank", "tier two")


def test_worked_example_pays_the_last_holder_exactly():
    ledger = Ledger.opened(100, "A")
    ledger.move("A", "B", 30)
    ledger.pay(33)
    assert (ledger.redeem("A"), ledger.redeem("B")) == (23, 9)
    assert ledger.reduce("B", 10) == 15
    assert (ledger.unpaid, ledger.units) == (57, 85)
    ledger.pay(57)
    ledger.settled = True
    assert 23 + ledger.redeem("A") == 70
    assert 9 + ledger.redeem("B") == 20
    assert ledger.redeemed == ledger.paid == 90


def test_one_minor_unit_and_a_million_parts():
    ledger = Ledger.opened(1_000_000, "supplier")
    for part in range(1000):
        ledger.move("supplier", f"part {part}", 999)
    ledger.pay(1)
    ledger.pay(999_999)
    ledger.settled = True
    assert sum(ledger.redeem(holder) for holder in list(ledger.lots)) == 1_000_000
    assert ledger.pool == 0


def test_what_was_paid_on_locked_units_is_the_buyers_to_the_fraction():
    ledger = Ledger.opened(166, "supplier")
    ledger.move("supplier", "lock", 96)
    ledger.pay(59)
    ledger.pay(107)
    ledger.settled = True
    ledger.release("lock", "bank")
    ledger.move("lock", "bank", 96)
    assert [ledger.redeem(holder) for holder in ("supplier", "bank", "lock")] == [70, 96, 0]


def test_a_fraction_without_units_goes_to_the_others():
    ledger = Ledger.opened(3, "supplier")
    ledger.move("supplier", "bank", 1)
    ledger.pay(1)
    ledger.move("bank", "second bank", 1)
    ledger.pay(2)
    ledger.settled = True
    assert ledger.redeemable("bank") == 0
    assert (ledger.redeem("second bank"), ledger.redeem("supplier")) == (1, 2)


def test_while_interest_is_owed_the_pool_waits():
    ledger = Ledger.opened(3, "supplier")
    ledger.move("supplier", "bank", 1)
    ledger.pay(1)
    ledger.pay(2)
    assert (ledger.redeem("bank"), ledger.redeem("supplier")) == (0, 1)
    ledger.settled = True
    assert (ledger.redeem("bank"), ledger.redeem("supplier")) == (1, 1)


@pytest.mark.parametrize("amount", [-1, 0, 101])
def test_a_payment_of_nothing_or_too_much_is_refused_and_changes_nothing(amount):
    ledger = Ledger.opened(100, "A")
    with pytest.raises(AccountingError, match="between 1 and 100"):
        ledger.pay(amount)
    assert ledger == Ledger.opened(100, "A")


def test_units_one_does_not_have_cannot_be_moved_or_given_up():
    ledger = Ledger.opened(100, "A")
    for attempt in (
        lambda: ledger.move("B", "A", 1),
        lambda: ledger.move("A", "B", 101),
        lambda: ledger.reduce("B", 1),
    ):
        with pytest.raises(AccountingError):
            attempt()


class Life(RuleBasedStateMachine):
    """Random lives of a receivable."""

    @initialize(face=st.one_of(st.integers(1, 200), st.integers(1, 2**96)))
    def open(self, face):
        self.ledger = Ledger.opened(face, HOLDERS[0])

    @precondition(lambda self: self.ledger.unpaid)
    @rule(data=st.data())
    def pay(self, data):
        before = self.ledger.unpaid
        amount = data.draw(st.integers(1, before))
        self.ledger.pay(amount)
        assert self.ledger.unpaid == before - amount

    @precondition(lambda self: self.ledger.unpaid == 0)
    @rule()
    def settle(self):
        self.ledger.settled = True

    @precondition(lambda self: not self.ledger.settled)
    @rule(data=st.data(), giver=st.sampled_from(HOLDERS), taker=st.sampled_from(HOLDERS))
    def move(self, data, giver, taker):
        if self.ledger.units_of(giver):
            owed = {h: self.ledger.redeemable(h) for h in HOLDERS}
            self.ledger.move(giver, taker, data.draw(st.integers(1, self.ledger.units_of(giver))))
            assert {h: self.ledger.redeemable(h) for h in HOLDERS} == owed

    @rule(giver=st.sampled_from(HOLDERS), taker=st.sampled_from(HOLDERS))
    def release(self, giver, taker):
        units = self.ledger.units_of(giver)
        if units and giver != taker:
            self.ledger.release(giver, taker)
            self.ledger.move(giver, taker, units)
            assert self.ledger.lots[giver].owed == 0

    @rule(data=st.data(), holder=st.sampled_from(HOLDERS), note=st.booleans())
    def extinguish(self, data, holder, note):
        share = self.ledger.unpaid_share(holder)
        if share:
            others = {h: self.ledger.unpaid_share(h) for h in HOLDERS if h != holder}
            amount = data.draw(st.integers(1, share))
            (self.ledger.reduce if note else self.ledger.close)(holder, amount)
            assert all(self.ledger.unpaid_share(h) >= was for h, was in others.items())

    @rule(holder=st.sampled_from(HOLDERS))
    def redeem(self, holder):
        # Who has nothing does not come; the chain refuses it.
        if expected := self.ledger.redeemable(holder):
            assert self.ledger.redeem(holder) == expected
            assert self.ledger.redeemable(holder) == 0

    @precondition(lambda self: self.ledger.settled)
    @rule(holder=st.sampled_from(HOLDERS))
    def retire(self, holder):
        # As on the chain: the units are burned, then it is told what was redeemed.
        owed = self.ledger.redeemable(holder)
        self.ledger.retire(holder)
        assert self.ledger.units_of(holder) == 0
        if owed:
            assert self.ledger.redeem(holder) == owed

    @invariant()
    def nothing_is_lost(self):
        if hasattr(self, "ledger"):
            ledger = self.ledger
            assert ledger.balanced()
            assert ledger.face == ledger.unpaid + ledger.paid + ledger.closed + ledger.reduced
            assert 0 <= ledger.unpaid <= ledger.units or ledger.units == ledger.unpaid == 0
            assert 0 <= ledger.redeemed <= ledger.paid

    def teardown(self):
        if hasattr(self, "ledger"):
            if self.ledger.unpaid:
                self.ledger.pay(self.ledger.unpaid)
            self.ledger.settled = True
            for holder in HOLDERS:
                self.ledger.redeem(holder)
            assert (self.ledger.redeemed, self.ledger.pool) == (self.ledger.paid, 0)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
