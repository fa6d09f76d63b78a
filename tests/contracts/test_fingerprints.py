"""One invoice, at most one live claim: the slot is (debtor, fingerprint), taken by the debtor's signature."""

import pytest

from tests.contracts.ledger import DEBTOR, FACE, SETTLED, Ledger, digest_of, refused, values

pytestmark = pytest.mark.main_path


def test_confirmation_takes_the_slot(ledger: Ledger) -> None:
    terms = ledger.terms()
    ledger.receivables.issue(values(terms), ledger.supplier.sends)
    assert ledger.fingerprints.idOf(ledger.debtor.account, terms["fingerprint"]) == "0x" + "00" * 32
    ledger.receivables.confirm(values(terms), ledger.confirmation(terms), ledger.bank.sends)
    taken = ledger.fingerprints.idOf(ledger.debtor.account, terms["fingerprint"])
    assert bytes(taken) == ledger.id_of(terms)


@pytest.mark.parametrize("paid", [False, True], ids=["live", "settled"])
def test_the_same_invoice_again_is_refused(ledger: Ledger, paid: bool) -> None:
    # Another date, another amount, another supplier: the fingerprint is what the invoice is known by.
    first = ledger.terms()
    ledger.issue_and_confirm(first, ledger.confirmation(first))
    if paid:
        ledger.receivables.pay(ledger.id_of(first), FACE, ledger.debtor.sends)
        assert ledger.receivables.statusOf(ledger.id_of(first)) == SETTLED
    again = ledger.terms(fingerprint=first["fingerprint"], amount=FACE - 1, dueEnd=first["dueEnd"] + 1)
    with refused("FingerprintAlreadyTaken"):
        ledger.issue_and_confirm(again, ledger.confirmation(again))
    assert ledger.units(ledger.supplier, ledger.id_of(again)) == 0


def test_another_debtors_slot_is_another(ledger: Ledger) -> None:
    # Squatting on a victim's fingerprint is pointless: only the victim's buyer can take that slot.
    squatter = ledger.admit("squatting debtor", DEBTOR)
    fingerprint = digest_of("the victim's invoice")
    squatted = ledger.terms(debtor=squatter.account, fingerprint=fingerprint)
    ledger.issue_and_confirm(squatted, ledger.confirmation(squatted, by=squatter))
    honest = ledger.terms(fingerprint=fingerprint)
    ledger.issue_and_confirm(honest, ledger.confirmation(honest))
    assert bytes(ledger.fingerprints.idOf(ledger.debtor.account, fingerprint)) == ledger.id_of(honest)


def test_nobody_but_the_recorded_contract_takes_slots(ledger: Ledger) -> None:
    keys = ledger.fingerprints.currentKeySet()
    with refused("NotWriter"):
        ledger.fingerprints.take(
            ledger.debtor.account, digest_of("mine"), keys, digest_of("id"), ledger.supplier.sends
        )


def test_a_fingerprint_under_keys_of_yesterday_is_refused(ledger: Ledger) -> None:
    terms = ledger.terms()
    confirmation = ledger.confirmation(terms)
    ledger.fingerprints.changeKeys([digest_of("new VRF key")], ledger.operator)
    with refused("KeySetNotCurrent"):
        ledger.issue_and_confirm(terms, confirmation)
