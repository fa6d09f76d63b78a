"""The main path on a real chain: every participant signs, and the deployer sends all of it.

Claims are issued, confirmed, sold, paid and collected by signed actions alone, and a log is anchored with the
proofs of our own tree. Branches are tested in `forge/`.
"""

import time
from types import SimpleNamespace
from typing import Any

import brownie
import pytest
from brownie import project
from eth_account import Account
from eth_account.signers.local import LocalAccount

from backend.kit import merkle

pytestmark = pytest.mark.main_path

FACE = 100_000_00
PRICE = 97_000_00
SUPPLIER, DEBTOR, FUNDER = 1, 2, 4
ACTIVE = 1
ZERO = "0x" + "00" * 32
FOREVER = 2**40 - 1


def word(text: str) -> str:
    return "0x" + text.encode().ljust(32, b"\0").hex()


class Party:
    """An account, the one key that signs for it, and where its cash goes."""

    def __init__(self, ledger: SimpleNamespace, name: str, role: int) -> None:
        self.key: LocalAccount = Account.create(name)
        self.payout = Account.create(name).address
        self.ledger = ledger
        self.nonce = 0
        key = "0x" + self.key.address[2:].lower().rjust(64, "0")
        admitted = ledger.participants.admit(
            word(name), role, FOREVER, self.payout, word("evidence"), key, False, ledger.sender
        )
        self.account = admitted.return_value or ledger.participants.accountOf(word(name))
        self.does(ledger.participants, "setStandingConsent", self.account, True)

    def signature(self, digest: Any) -> str:
        return "0x" + self.key.unsafe_sign_hash(bytes(digest)).signature.hex().removeprefix("0x")

    def does(self, contract: Any, function: str, *arguments: Any) -> Any:
        """Signs a call; the deployer sends it."""
        data = getattr(contract, function).encode_input(*arguments)
        action = [self.key.address, self.nonce, int(time.time()) + 10**7, 100_000, data, b"", b""]
        action[5] = self.signature(contract.actionDigest(action))
        self.nonce += 1
        return contract.relay(action, self.ledger.sender)


@pytest.fixture(scope="module")
def ledger() -> SimpleNamespace:
    """A ledger deployed by hand, the deployer its only administrator."""
    code = project.get_loaded_projects()[0]
    deployer = brownie.accounts[0]
    made = SimpleNamespace(sender={"from": deployer})
    made.manager = code.Governance.deploy(deployer, made.sender)
    made.participants = code.Participants.deploy(made.manager, 1, 1, made.sender)
    made.fingerprints = code.Fingerprints.deploy(made.manager, made.sender)
    base = (made.manager, made.participants, made.fingerprints)
    remedies = code.ReceivablesRemedies.deploy(*base, made.sender)
    extension = code.ReceivablesExtension.deploy(*base, remedies, made.sender)
    made.receivables = code.Receivables.deploy(*base, extension, made.sender)
    made.extension = brownie.Contract.from_abi(
        "Extension", made.receivables.address, code.ReceivablesExtension.abi
    )
    made.financing = code.Financing.deploy(made.receivables, made.participants, made.sender)
    made.log = code.ProvenanceLog.deploy(made.manager, made.sender)
    made.euro = code.TestCurrency.deploy("Test Euro", "tEUR", 6, made.sender)
    made.fingerprints.recordWriter(made.receivables, made.sender)
    made.fingerprints.changeKeys([word("VRF key")], made.sender)
    made.extension.setOperator(made.financing, ACTIVE, made.sender)
    made.extension.admitCurrency(made.euro, b"EUR", 2, 1, made.sender)
    made.log.setAnchorer(deployer, True, made.sender)
    return made


def fund(ledger: SimpleNamespace, party: Party, spender: Any) -> None:
    """Gives the party's key a wallet with money, and an allowance by its own transaction."""
    ledger.euro.mint(party.key.address, FACE * 10**4, ledger.sender)
    ledger.sender["from"].transfer(party.key.address, "0.1 ether")
    wallet = brownie.accounts.add(party.key.key.hex())
    ledger.euro.approve(spender, 2**256 - 1, {"from": wallet})


def test_a_claim_from_issue_to_collection_by_signed_actions_alone(ledger: SimpleNamespace) -> None:
    supplier = Party(ledger, "supplier", SUPPLIER)
    debtor = Party(ledger, "debtor", DEBTOR)
    bank = Party(ledger, "bank", FUNDER)
    fund(ledger, debtor, ledger.receivables)
    fund(ledger, bank, ledger.financing)
    now = brownie.chain.time()

    terms = [
        supplier.account,
        debtor.account,
        ledger.euro.address,
        b"EUR",
        FACE,
        now + 90 * 86_400,
        10,
        80_000,
    ]
    terms += [
        0,
        0,
        ledger.fingerprints.currentKeySet(),
        word("fingerprint"),
        ZERO,
        word("document"),
        word("rules"),
    ]
    claim = ledger.extension.idOf(terms)
    confirmed = debtor.signature(ledger.receivables.confirmationDigest(terms, ZERO, 1000, now + 86_400))
    confirmation = [debtor.key.address, 1000, now + 86_400, [], confirmed, b""]
    supplier.does(ledger.receivables, "issueAndConfirm", terms, confirmation)
    assert ledger.receivables.balanceOf(supplier.account, int(claim.hex(), 16)) == FACE

    offer = [bank.account, supplier.account, [[claim, FACE, FACE]], ledger.euro.address, PRICE, 0, 0, PRICE]
    offer += [False, word("agreement"), word("law"), 0, now + 86_400, bank.key.address, 1]
    funded, balance, _, needed = ledger.financing.isFunded(offer)
    assert (funded, int(balance), int(needed)) == (True, FACE * 10**4, PRICE * 10**4)
    signature = bank.signature(ledger.financing.offerDigest(offer))
    supplier.does(ledger.financing, "accept", offer, PRICE, signature)
    assert ledger.euro.balanceOf(supplier.payout) == PRICE * 10**4
    assert ledger.receivables.balanceOf(bank.account, int(claim.hex(), 16)) == FACE

    debtor.does(ledger.receivables, "pay", claim, FACE // 4)
    bank.does(ledger.receivables, "redeem", claim, bank.account)
    assert ledger.euro.balanceOf(bank.payout) == FACE // 4 * 10**4
    debtor.does(ledger.receivables, "pay", claim, FACE)
    bank.does(ledger.receivables, "redeem", claim, bank.account)
    assert ledger.euro.balanceOf(bank.payout) == FACE * 10**4
    assert ledger.euro.balanceOf(ledger.receivables) == 0
    with brownie.reverts():
        supplier.does(ledger.financing, "accept", offer, PRICE, signature)


def test_the_log_takes_the_proofs_of_our_own_tree_and_no_others(ledger: SimpleNamespace) -> None:
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(11)]
    frontier = merkle.Frontier()
    nodes = dict(node for leaf in leaves for node in frontier.append(leaf))

    def root(size: int) -> bytes:
        return merkle.root_of(leaves[:size])

    ledger.log.anchor(root(4), 4, [], word("map"), ledger.sender)
    with brownie.reverts():
        ledger.log.anchor(root(11), 11, [], word("map"), ledger.sender)
    proof = merkle.consistency_proof(4, 11, nodes)
    ledger.log.anchor(root(11), 11, proof, word("next map"), ledger.sender)
    head = ledger.log.head()
    assert (bytes(head[0]), int(head[1])) == (root(11), 11)
    path = merkle.inclusion_proof(9, 11, nodes)
    assert ledger.log.isIncluded(leaves[9], 9, path)
    assert not ledger.log.isIncluded(leaves[9], 8, path)
