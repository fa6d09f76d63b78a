"""A claim from its issue to the last payment, through Brownie: the same on Anvil and Ganache."""

from dataclasses import dataclass
from typing import Any

import brownie
import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from scripts.session import abi_of, project

pytestmark = pytest.mark.main_path
FACE = 1_000_000
DAY = 86_400
SUPPLIER, DEBTOR, FUNDER = 1, 2, 4


@dataclass
class Ledger:
    """The contracts, and a debtor whose key signs off chain."""

    participants: Any
    fingerprints: Any
    receivables: Any
    euro: Any
    key: Any
    accounts: dict[str, str]

    def terms(self, number: int, **changes: Any) -> tuple[Any, ...]:
        """Terms of a claim of the supplier on the debtor, told apart by `number`."""
        values = {
            "supplier": self.accounts["supplier"],
            "debtor": self.accounts["debtor"],
            "token": self.euro.address,
            "currency": b"EUR",
            "amount": FACE,
            "dueEnd": brownie.chain.time() + 90 * DAY,
            "graceDays": 10,
            "lateRate": 0,
            "undertaking": 0,
            "paymentOrder": 0,
            "keySet": self.fingerprints.currentKeySet(),
            "fingerprint": keccak(text=f"fingerprint {number}"),
            "otherFingerprints": bytes(32),
            "documentRoot": keccak(text=f"document {number}"),
            "rules": keccak(text="rules"),
        }
        return tuple((values | changes).values())

    def confirmation(self, terms: tuple[Any, ...], nonce: int) -> tuple[Any, ...]:
        """The debtor's signature of terms."""
        deadline = brownie.chain.time() + DAY
        digest = self.receivables.confirmationDigest(terms, bytes(32), nonce, deadline)
        signature = bytes(self.key.unsafe_sign_hash(bytes(digest)).signature)
        return (self.key.address, nonce, deadline, [], signature, b"")


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    admin, supplier, bank, payout = brownie.accounts[:4]
    contracts = project()
    sender = {"from": admin}
    governance = contracts.Governance.deploy(admin, sender)
    participants = contracts.Participants.deploy(governance, DAY, DAY, sender)
    fingerprints = contracts.Fingerprints.deploy(governance, sender)
    known = (governance, participants, fingerprints)
    remedies = contracts.ReceivablesRemedies.deploy(*known, sender)
    extension = contracts.ReceivablesExtension.deploy(*known, remedies, sender)
    core = contracts.Receivables.deploy(*known, extension, sender)
    receivables = brownie.Contract.from_abi("Receivables", core.address, abi_of("Receivables"))
    euro = contracts.TestCurrency.deploy("Test Euro", "tEUR", 2, sender)
    fingerprints.recordWriter(receivables, sender)
    fingerprints.changeKeys([keccak(text="VRF key")], sender)
    receivables.admitCurrency(euro, b"EUR", 2, 1, sender)

    key = Account.from_key(keccak(text="debtor"))
    accounts = {}
    for name, role, signer, paid_out in (
        ("supplier", SUPPLIER, supplier.address, payout),
        ("debtor", DEBTOR, key.address, payout),
        ("bank", FUNDER, bank.address, bank),
    ):
        word = bytes.fromhex(signer[2:]).rjust(32, b"\0")
        participants.admit(
            keccak(text=name), role, 2**39, paid_out, keccak(text="evidence"), word, False, sender
        )
        accounts[name] = participants.accountOf(keccak(text=name))
    participants.setStandingConsent(accounts["bank"], True, {"from": bank})
    euro.mint(admin, 10 * FACE, sender)
    euro.approve(receivables, 10 * FACE, sender)
    return Ledger(participants, fingerprints, receivables, euro, key, accounts)


def test_from_issue_to_the_last_payment(ledger: Ledger) -> None:
    """Issued and confirmed in one, given in part, paid in two parts, redeemed exact to the unit."""
    admin, supplier, bank, payout = brownie.accounts[:4]
    receivables, euro = ledger.receivables, ledger.euro
    terms = ledger.terms(1)
    receivables.issueAndConfirm(terms, ledger.confirmation(terms, 1), {"from": supplier})
    id_ = receivables.idOf(terms)
    assert receivables.balanceOf(ledger.accounts["supplier"], int(id_.hex(), 16)) == FACE

    receivables.transfer(
        id_, ledger.accounts["supplier"], ledger.accounts["bank"], 333_333, {"from": supplier}
    )
    receivables.pay(id_, 400_001, {"from": admin})
    receivables.pay(id_, FACE, {"from": admin})
    receivables.redeem(id_, ledger.accounts["bank"], {"from": bank})
    receivables.redeem(id_, ledger.accounts["supplier"], {"from": supplier})
    assert euro.balanceOf(bank) == 333_333
    assert euro.balanceOf(payout) == FACE - 333_333
    assert euro.balanceOf(receivables) == 0


def test_the_same_invoice_again_is_refused(ledger: Ledger) -> None:
    """Another document, another due date, the same fingerprint."""
    supplier = brownie.accounts[1]
    terms = ledger.terms(2)
    ledger.receivables.issueAndConfirm(terms, ledger.confirmation(terms, 2), {"from": supplier})
    again = ledger.terms(3, fingerprint=keccak(text="fingerprint 2"))
    confirmation = ledger.confirmation(again, 3)
    with pytest.raises(brownie.exceptions.VirtualMachineError):
        ledger.receivables.issueAndConfirm(again, confirmation, {"from": supplier})
    assert ledger.receivables.statusOf(ledger.receivables.idOf(again)) == 0


def test_nobody_confirms_for_the_debtor(ledger: Ledger) -> None:
    """An issued claim stays issued, whoever pokes it."""
    supplier, bank = brownie.accounts[1:3]
    terms = ledger.terms(4)
    ledger.receivables.issue(terms, {"from": supplier})
    forged = list(ledger.confirmation(terms, 4))
    forged[4] = bytes(Account.from_key(keccak(text="thief")).unsafe_sign_hash(keccak(text="x")).signature)
    with pytest.raises(brownie.exceptions.VirtualMachineError):
        ledger.receivables.confirm(terms, tuple(forged), {"from": bank})
    assert ledger.receivables.statusOf(ledger.receivables.idOf(terms)) == 1
