"""Who may act for whom: admission, grants and their limits, suspension, payout."""

import brownie
import pytest

from tests.contracts.ledger import CASH, DAY, FACE, FUNDER, Ledger, digest_of, refused, values

ISSUE, TRANSFER = 1 << 1, 1 << 3
UNLIMITED = 2**64 - 1


def key_word(address: str) -> bytes:
    """An address as a key of `Participants`."""
    return bytes.fromhex(address[2:].rjust(64, "0"))


@pytest.mark.main_path
def test_an_account_has_no_key_and_its_first_key_acts_for_it(ledger: Ledger) -> None:
    carrier = ledger.admit("carrier", FUNDER)
    assert carrier.account == ledger.participants.accountOf(digest_of("salted commitment", "carrier"))
    assert bytes(brownie.web3.eth.get_code(carrier.account)) == b""
    assert ledger.participants.account(carrier.account)[0].lower() == carrier.payout
    assert ledger.participants.hasFullTransferGrant(carrier.account, carrier.key)
    (admission,) = ledger.participants.admissions(carrier.account)
    assert admission[2] == FUNDER


def test_only_the_registrar_admits(ledger: Ledger) -> None:
    with refused("AccessManagedUnauthorized"):
        ledger.participants.admit(
            digest_of("me"),
            FUNDER,
            brownie.chain.time() + DAY,
            ledger.bank.payout,
            digest_of("none"),
            key_word(ledger.bank.key.address),
            False,
            ledger.bank.sends,
        )


@pytest.mark.main_path
def test_a_suspended_supplier_brings_nothing_new_until_it_is_lifted(ledger: Ledger) -> None:
    terms = ledger.terms()
    confirmation = ledger.confirmation(terms)
    ledger.suspend(ledger.supplier)
    with refused("Suspended"):
        ledger.issue_and_confirm(terms, confirmation)
    ledger.participants.liftSuspension([ledger.supplier.account], digest_of("lifted"), ledger.supervisor)
    ledger.issue_and_confirm(terms, confirmation)
    assert ledger.units(ledger.supplier, ledger.id_of(terms)) == FACE


@pytest.mark.main_path
def test_a_suspended_debtor_confirms_nothing_and_may_pay(ledger: Ledger) -> None:
    claim = ledger.claim()
    terms = ledger.terms()
    confirmation = ledger.confirmation(terms)
    ledger.suspend(ledger.debtor)
    with refused("Suspended"):
        ledger.issue_and_confirm(terms, confirmation)
    ledger.receivables.pay(claim, FACE, ledger.debtor.sends)
    assert ledger.cash(ledger.debtor.key) == CASH - FACE


def test_what_is_owed_to_a_suspended_holder_stays_owed(ledger: Ledger) -> None:
    claim = ledger.claim()
    ledger.suspend(ledger.supplier)
    ledger.receivables.pay(claim, FACE, ledger.debtor.sends)
    with refused("Suspended"):
        ledger.receivables.redeem(claim, ledger.supplier.account, ledger.supplier.sends)
    ledger.participants.liftSuspension([ledger.supplier.account], digest_of("lifted"), ledger.supervisor)
    ledger.receivables.redeem(claim, ledger.supplier.account, ledger.supplier.sends)
    assert ledger.cash(ledger.supplier.payout) == FACE


def test_the_end_of_an_admission_stops_new_business_and_no_redemption(ledger: Ledger) -> None:
    claim = ledger.claim()
    ledger.receivables.pay(claim, FACE, ledger.debtor.sends)
    terms = ledger.terms()
    confirmation = ledger.confirmation(terms)
    ledger.participants.renew(
        ledger.supplier.account, 1, brownie.chain.time() + 5, digest_of("notice"), ledger.operator
    )
    brownie.chain.sleep(10)
    brownie.chain.mine()
    with refused("NotAdmitted"):
        ledger.issue_and_confirm(terms, confirmation)
    ledger.receivables.redeem(claim, ledger.supplier.account, ledger.supplier.sends)
    assert ledger.cash(ledger.supplier.payout) == FACE


def test_a_clerk_acts_within_scope_and_limit_until_revoked(ledger: Ledger) -> None:
    clerk = brownie.accounts.add(digest_of("key", "clerk").hex())
    brownie.accounts[0].transfer(clerk, "1 ether")
    supplier, bank = ledger.supplier, ledger.bank
    claim = ledger.claim()
    now = brownie.chain.time()
    ledger.participants.grantKey(
        supplier.account,
        key_word(clerk.address),
        TRANSFER,
        0,
        now,
        now + DAY,
        50_000,
        UNLIMITED,
        supplier.sends,
    )
    give = ledger.receivables.transfer
    give(claim, supplier.account, bank.account, 50_000, {"from": clerk})
    with refused("AboveLimit"):
        give(claim, supplier.account, bank.account, 50_001, {"from": clerk})
    with refused("NotAuthorised"):
        ledger.receivables.issue(values(ledger.terms()), {"from": clerk})
    ledger.participants.revokeKey(supplier.account, key_word(clerk.address), supplier.sends)
    with refused("NotAuthorised"):
        give(claim, supplier.account, bank.account, 1_000, {"from": clerk})
    assert ledger.units(bank, claim) == 50_000


def test_cash_goes_elsewhere_only_after_the_delay(ledger: Ledger) -> None:
    supplier, elsewhere = ledger.supplier, brownie.accounts[3].address
    ledger.participants.proposePayout(supplier.account, elsewhere, supplier.sends)
    with refused("TooEarly"):
        ledger.participants.changePayout(supplier.account, supplier.sends)
    brownie.chain.sleep(2 * DAY + 1)
    brownie.chain.mine()
    ledger.participants.changePayout(supplier.account, ledger.bank.sends)
    assert ledger.participants.account(supplier.account)[0] == elsewhere
