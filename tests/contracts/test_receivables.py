"""The life of a receivable: issued, confirmed by the debtor's signature, given on in part, paid, redeemed."""

import brownie
import pytest

from tests.contracts.ledger import CASH, CONFIRMED, DAY, FACE, ISSUED, SETTLED, Ledger, refused, values


@pytest.mark.main_path
def test_from_issue_to_settled_every_unit_is_paid_to_its_holder(ledger: Ledger) -> None:
    supplier, bank, debtor = ledger.supplier, ledger.bank, ledger.debtor
    claim = ledger.claim()
    assert ledger.receivables.statusOf(claim) == CONFIRMED

    ledger.receivables.transfer(claim, supplier.account, bank.account, 333_333_33, supplier.sends)
    assert (ledger.units(supplier, claim), ledger.units(bank, claim)) == (FACE - 333_333_33, 333_333_33)

    first = ledger.receivables.pay(claim, 400_000_01, debtor.sends)
    assert first.events["Paid"]["unpaid"] == FACE - 400_000_01
    ledger.receivables.redeem(claim, bank.account, bank.sends)
    assert ledger.cash(bank.payout) == 333_333_33 * 400_000_01 // FACE

    # More than is owed is not taken.
    ledger.receivables.pay(claim, FACE, debtor.sends)
    assert ledger.receivables.statusOf(claim) == SETTLED
    assert ledger.cash(debtor.key) == CASH - FACE

    for holder in (bank, supplier):
        ledger.receivables.redeem(claim, holder.account, holder.sends)
    assert ledger.cash(bank.payout) == 333_333_33
    assert ledger.cash(supplier.payout) == FACE - 333_333_33
    assert ledger.cash(ledger.receivables.address) == 0
    assert ledger.units(supplier, claim) == ledger.units(bank, claim) == 0
    with refused("NothingDue"):
        ledger.receivables.redeem(claim, bank.account, bank.sends)


@pytest.mark.main_path
def test_anybody_may_bring_the_debtors_signature(ledger: Ledger) -> None:
    terms = ledger.terms()
    ledger.receivables.issue(values(terms), ledger.supplier.sends)
    claim = ledger.id_of(terms)
    assert ledger.receivables.statusOf(claim) == ISSUED
    ledger.receivables.confirm(values(terms), ledger.confirmation(terms), {"from": brownie.accounts[2]})
    assert ledger.receivables.statusOf(claim) == CONFIRMED


def test_the_signer_signs_what_the_contract_checks(ledger: Ledger) -> None:
    terms = ledger.terms()
    signer, nonce, deadline, _, signature, _ = ledger.confirmation(terms)
    digest = ledger.receivables.confirmationDigest(values(terms), bytes(32), nonce, deadline)
    from eth_keys.datatypes import Signature

    r, s, v = signature[:32], signature[32:64], signature[64] - 27
    recovered = Signature(r + s + bytes([v])).recover_public_key_from_msg_hash(bytes(digest))
    assert recovered.to_checksum_address() == signer


@pytest.mark.main_path
def test_a_signature_of_somebody_else_confirms_nothing(ledger: Ledger) -> None:
    terms = ledger.terms()
    with refused("NotAuthorised"):
        ledger.issue_and_confirm(terms, ledger.confirmation(terms, by=ledger.supplier))
    signed = list(ledger.confirmation(terms, by=ledger.supplier))
    signed[0] = ledger.debtor.key.address
    with refused("SignatureInvalid"):
        ledger.issue_and_confirm(terms, tuple(signed))
    assert ledger.receivables.statusOf(ledger.id_of(terms)) == 0


@pytest.mark.main_path
def test_a_signature_for_another_chain_confirms_nothing(ledger: Ledger) -> None:
    terms = ledger.terms()
    with refused("SignatureInvalid"):
        ledger.issue_and_confirm(terms, ledger.confirmation(terms, chain_id=brownie.chain.id + 1))


@pytest.mark.parametrize("change", [{"amount": FACE + 1}, {"dueEnd": 2_000_000_000}], ids=["amount", "date"])
def test_a_signature_of_other_terms_confirms_nothing(ledger: Ledger, change: dict[str, int]) -> None:
    terms = ledger.terms()
    confirmation = ledger.confirmation(terms | change)
    with refused("SignatureInvalid"):
        ledger.issue_and_confirm(terms, confirmation)


def test_a_signature_is_good_until_its_deadline_or_its_cancellation(ledger: Ledger) -> None:
    terms = ledger.terms()
    cancelled = ledger.confirmation(terms)
    nonce = cancelled[1]
    ledger.receivables.cancelNonces(nonce >> 8, 1 << (nonce & 255), ledger.debtor.sends)
    with refused("NonceUsed"):
        ledger.issue_and_confirm(terms, cancelled)
    late = ledger.confirmation(terms)
    brownie.chain.sleep(DAY + 60)
    brownie.chain.mine()
    with refused("ConfirmationExpired"):
        ledger.issue_and_confirm(terms, late)


@pytest.mark.main_path
def test_only_what_is_confirmed_can_be_given_or_paid(ledger: Ledger) -> None:
    terms = ledger.terms()
    ledger.receivables.issue(values(terms), ledger.supplier.sends)
    claim = ledger.id_of(terms)
    with refused("StatusIs"):
        ledger.receivables.transfer(
            claim, ledger.supplier.account, ledger.bank.account, 1_000, ledger.supplier.sends
        )
    with refused("StatusIs"):
        ledger.receivables.pay(claim, FACE, ledger.debtor.sends)


def test_nobody_else_moves_a_holders_units(ledger: Ledger) -> None:
    claim = ledger.claim()
    with refused("NotAuthorised"):
        ledger.receivables.transfer(
            claim, ledger.supplier.account, ledger.bank.account, 1_000, ledger.bank.sends
        )
    ledger.suspend(ledger.bank)
    with refused("Suspended"):
        ledger.receivables.transfer(
            claim, ledger.supplier.account, ledger.bank.account, 1_000, ledger.supplier.sends
        )
    assert ledger.units(ledger.supplier, claim) == FACE


def test_receiving_needs_consent(ledger: Ledger) -> None:
    claim = ledger.claim()
    bank, supplier = ledger.bank, ledger.supplier
    ledger.participants.setStandingConsent(bank.account, False, bank.sends)
    with refused("ReceiverHasNotConsented"):
        ledger.receivables.transfer(claim, supplier.account, bank.account, 1_000, supplier.sends)
    ledger.receivables.allowReceipt(claim, bank.account, 1_000, bank.sends)
    ledger.receivables.transfer(claim, supplier.account, bank.account, 1_000, supplier.sends)
    assert ledger.units(bank, claim) == 1_000


def test_parts_below_the_minimum_are_refused(ledger: Ledger) -> None:
    claim = ledger.claim()
    with refused("BelowMinimum"):
        ledger.receivables.transfer(
            claim, ledger.supplier.account, ledger.bank.account, 99, ledger.supplier.sends
        )
    with refused("BelowMinimum"):
        ledger.receivables.pay(claim, 99, ledger.bank.sends)


def test_money_is_taken_from_who_signs_and_from_nobody_else(ledger: Ledger) -> None:
    # The false repayment out of a victim's allowance: a payment has no argument that names a payer.
    claim = ledger.claim()
    ledger.receivables.pay(claim, 5_000, ledger.other_bank.sends)
    assert ledger.cash(ledger.other_bank.key) == CASH - 5_000
    assert ledger.cash(ledger.debtor.key) == CASH
