"""What one signed another may send: the same effect, only once, and one that fails stops no other."""

import brownie
import pytest

from tests.contracts.ledger import CASH, DAY, FACE, Ledger, refused

pytestmark = pytest.mark.main_path


def test_a_signed_payment_is_sent_by_somebody_else_once(ledger: Ledger) -> None:
    claim = ledger.claim()
    relayer = {"from": brownie.accounts[4]}
    payment = ledger.action(ledger.debtor, ledger.receivables, "Pay", claim, 10_000)
    ledger.receivables.relay(payment, relayer)
    assert ledger.cash(ledger.debtor.key) == CASH - 10_000
    assert ledger.receivables.isNonceUsed(ledger.debtor.key, payment[1])
    with refused("NonceUsed"):
        ledger.receivables.relay(payment, relayer)
    assert ledger.cash(ledger.debtor.key) == CASH - 10_000


def test_of_many_one_that_fails_stops_no_other(ledger: Ledger) -> None:
    claim = ledger.claim()
    supplier, bank, debtor = ledger.supplier, ledger.bank, ledger.debtor
    sign = ledger.action
    actions = [
        sign(supplier, ledger.receivables, "Transfer", claim, supplier.account, bank.account, 30_000),
        # The bank has not so much.
        sign(bank, ledger.receivables, "Transfer", claim, bank.account, supplier.account, 30_001),
        sign(debtor, ledger.receivables, "Pay", claim, FACE),
        sign(bank, ledger.receivables, "Redeem", claim, bank.account),
    ]
    sent = ledger.receivables.relayMany(actions, {"from": brownie.accounts[4]})
    (failed,) = sent.events["ActionFailed"]
    assert (failed["signer"], failed["nonce"]) == (bank.key, actions[1][1])
    assert ledger.cash(bank.payout) == 30_000
    assert not ledger.receivables.isNonceUsed(bank.key, actions[1][1])


def test_a_changed_or_foreign_or_late_action_is_refused(ledger: Ledger) -> None:
    claim = ledger.claim()
    relayer = {"from": brownie.accounts[4]}
    signed = ledger.action(ledger.debtor, ledger.receivables, "Pay", claim, 10_000)
    dearer = ledger.receivables.pay.encode_input(claim, 20_000)
    with refused("SignatureInvalid"):
        ledger.receivables.relay((*signed[:4], dearer, *signed[5:]), relayer)
    foreign = ledger.action(
        ledger.debtor, ledger.receivables, "Pay", claim, 10_000, chain_id=brownie.chain.id + 1
    )
    with refused("SignatureInvalid"):
        ledger.receivables.relay(foreign, relayer)
    brownie.chain.sleep(DAY + 60)
    brownie.chain.mine()
    with refused("ActionExpired"):
        ledger.receivables.relay(signed, relayer)
    assert ledger.cash(ledger.debtor.key) == CASH
