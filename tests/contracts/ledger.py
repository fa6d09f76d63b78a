"""A ledger as `scripts/deploy.py` leaves it, and parties that sign as theirs would, for Brownie tests."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import brownie
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from backend.signing.statements import ACKNOWLEDGED, STATEMENTS
from scripts import session
from scripts.deploy import deploy
from scripts.make_keys import make_keys
from scripts.record import Record
from scripts.session import Session, sent_by
from tasks import networks
from tasks.networks import Network

SUPPLIER, DEBTOR, FUNDER = 1, 2, 4
DAY = 24 * 60 * 60
FACE = 1_000_000_00
CASH = 10_000 * FACE
ACKNOWLEDGED_UNDERTAKING, INTEREST_FIRST = 0, 0
ISSUED, CONFIRMED, SETTLED = 1, 2, 3
NOTHING = b""

_count = itertools.count(1)


def digest_of(*words: object) -> bytes:
    """32 bytes that stand for a hash of something off the chain."""
    return bytes(keccak(text=" ".join(map(str, words))))


@dataclass(frozen=True)
class Actor:
    """A party: its key, which signs and pays; its account, which holds claims; where its cash is paid out."""

    name: str
    key: Any
    account: str
    payout: str

    @property
    def sends(self) -> dict[str, Any]:
        return {"from": self.key}


@dataclass
class Ledger:
    session: Session
    actors: dict[str, Actor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.participants = self.session.contract("Participants")
        self.fingerprints = self.session.contract("Fingerprints")
        self.receivables = self.session.contract("Receivables")
        self.financing = self.session.contract("Financing")
        self.log = self.session.contract("ProvenanceLog")
        self.euro = self.session.contract("tEUR", "TestCurrency")
        self.scale = 10 ** self.session.record.tokens[self.euro.address]["exponent"]
        self.operator = sent_by(self.session.key("deployer"))
        self.supervisor = sent_by(self.session.key("supervisor"))
        for name, roles in (
            ("supplier", SUPPLIER),
            ("debtor", DEBTOR),
            ("bank", FUNDER),
            ("other bank", FUNDER),
        ):
            self.actors[name] = self.admit(name, roles)

    def __getattr__(self, name: str) -> Actor:
        try:
            return self.__dict__["actors"][name.replace("_", " ")]
        except KeyError:
            raise AttributeError(name) from None

    def admit(self, name: str, roles: int) -> Actor:
        """A party with one key, standing consent, coins for gas, cash, and allowances for both contracts."""
        key = brownie.accounts.add(digest_of("key", name).hex())
        payout = "0x" + digest_of("payout", name)[:20].hex()
        commitment = digest_of("salted commitment", name)
        account = self.participants.accountOf(commitment)
        until = brownie.chain.time() + 3650 * DAY
        first_key = bytes.fromhex(key.address[2:].rjust(64, "0"))
        self.participants.admit(
            commitment, roles, until, payout, digest_of("evidence"), first_key, False, self.operator
        )
        brownie.accounts[0].transfer(key, "5 ether")
        actor = Actor(name, key, account, payout)
        self.participants.setStandingConsent(account, True, actor.sends)
        self.euro.mint(key, CASH * self.scale, self.operator)
        self.euro.approve(self.receivables, 2**256 - 1, actor.sends)
        return actor

    def suspend(self, actor: Actor) -> None:
        self.participants.suspend([actor.account], digest_of("reason"), self.supervisor)

    # Claims

    def terms(self, **changes: object) -> dict[str, Any]:
        """Terms of another invoice each time."""
        number = next(_count)
        return {
            "supplier": self.supplier.account,
            "debtor": self.debtor.account,
            "token": self.euro.address,
            "currency": b"EUR",
            "amount": FACE,
            "dueEnd": brownie.chain.time() + 90 * DAY,
            "graceDays": 10,
            "lateRate": 0,
            "undertaking": ACKNOWLEDGED_UNDERTAKING,
            "paymentOrder": INTEREST_FIRST,
            "keySet": self.fingerprints.currentKeySet(),
            "fingerprint": digest_of("fingerprint", number),
            "otherFingerprints": bytes(32),
            "documentRoot": digest_of("document", number),
            "rules": digest_of("rules"),
        } | changes

    def confirmation(
        self, terms: Mapping[str, Any], by: Actor | None = None, **elsewhere: object
    ) -> tuple[Any, ...]:
        """The debtor's consent to the terms, as its own signer makes it from the typed data."""
        signer = by or self.debtor
        bound = {"nonce": next(_count), "deadline": brownie.chain.time() + DAY}
        message = {"statement": ACKNOWLEDGED, "terms": dict(terms)} | bound
        signature = sign(signer, self.receivables, "Confirmation", message, **elsewhere)
        return (signer.key.address, *bound.values(), [], signature, NOTHING)

    def claim(self, **changes: object) -> bytes:
        """A confirmed receivable, all of it with its supplier."""
        terms = self.terms(**changes)
        self.issue_and_confirm(terms, self.confirmation(terms))
        return self.id_of(terms)

    def issue_and_confirm(self, terms: Mapping[str, Any], confirmation: tuple[Any, ...]) -> Any:
        return self.receivables.issueAndConfirm(values(terms), confirmation, self.supplier.sends)

    def id_of(self, terms: Mapping[str, Any]) -> bytes:
        return bytes(self.receivables.idOf(values(terms)))

    def units(self, actor: Actor, claim: bytes) -> int:
        return int(self.receivables.balanceOf(actor.account, int.from_bytes(claim, "big")))

    def cash(self, address: object) -> int:
        """Minor units in a wallet; what the token has beyond whole ones must be none."""
        minor, rest = divmod(self.euro.balanceOf(address), self.scale)
        assert rest == 0
        return int(minor)

    # Signed actions

    def action(
        self, actor: Actor, contract: Any, name: str, *arguments: Any, **elsewhere: object
    ) -> tuple[Any, ...]:
        """A call that the actor signed and anybody may send."""
        bound = {"nonce": next(_count), "deadline": brownie.chain.time() + DAY, "gasFloor": 100_000}
        members = [member for member, _ in STATEMENTS[name].members]
        message = dict(zip(members, (*arguments, *bound.values()), strict=True))
        call = getattr(contract, name[0].lower() + name[1:]).encode_input(*arguments)
        signature = sign(actor, contract, name, message, **elsewhere)
        return (actor.key.address, *bound.values(), call, signature, NOTHING)


def values(struct: Mapping[str, Any]) -> tuple[Any, ...]:
    """A struct as Brownie takes it."""
    return tuple(struct.values())


def sign(
    actor: Actor, contract: Any, statement: str, message: Mapping[str, Any], chain_id: int | None = None
) -> bytes:
    """The actor's EIP-712 signature of a statement, made from its types alone, as a wallet makes it."""
    _, name, version, known_chain, address, *_ = contract.eip712Domain()
    domain = {
        "name": name,
        "version": version,
        "chainId": chain_id or known_chain,
        "verifyingContract": address,
    }
    types = {
        struct: [{"name": member, "type": kind} for member, kind in members]
        for struct, members in STATEMENTS[statement].structs.items()
    }
    signable = encode_typed_data(domain_data=domain, message_types=types, message_data=dict(message))
    return bytes(Account.sign_message(signable, actor.key.private_key).signature)


@contextmanager
def refused(error: str) -> Iterator[None]:
    """Expects the contracts' error of that name, as Brownie decodes it by their ABI."""
    with pytest.raises(brownie.exceptions.VirtualMachineError) as caught:
        yield
    assert str(caught.value.revert_msg).partition(":")[0] == error


def open_ledger(folder: Path, patch: pytest.MonkeyPatch) -> Ledger:
    """Deploys a ledger of the test's own, in the very way every ledger is deployed."""
    patch.setattr(networks, "DATA", folder)
    network = Network("test", "anvil", brownie.chain.id, "the chain of the tests")
    make_keys(network.keys)
    session._forget_brownies_own_records()
    opened = Session(network, session._settings("anvil"), Record(network.deployment, network.chain_id))
    for name in ("deployer", "supervisor"):
        brownie.accounts[0].transfer(opened.address(name), "20 ether")
    deploy(opened)
    return Ledger(opened)
