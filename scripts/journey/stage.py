"""What the steps of the journey stand on: who takes part, what is known so far, what the chain says of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from backend.kit import money
from backend.signing import ledger
from scripts.journey.chain import Chain
from scripts.journey.paper import Paper
from scripts.journey.party import JourneyError, Party, RefusedError, wait_for

_ACCOUNT_OPEN = 1 << 1  # contracts/types/Account.sol
_SALE_DONE = 2  # contracts/types/Sale.sol
_ATTEMPTS = 5
_UNTIL_INDEXED = {
    "receiver-has-not-consented",
    "not-enough-units",
    "seller-holds-less",
    "nothing-to-redeem",
    "not-on-chain",
    "more-than-owed",
}


@dataclass
class Cast:
    """Who takes part."""

    supplier: Party
    buyer: Party
    banks: dict[str, Party]
    rival: Party
    operator: Party

    @property
    def parties(self) -> list[Party]:
        return [self.supplier, self.buyer, *self.banks.values(), self.rival]


@dataclass
class Stage:
    """The journey so far: what one step finds and the next needs, and how to look at the chain."""

    cast: Cast
    chain: Chain
    paper: Paper
    deployment: Path
    invoice: dict[str, Any] = field(default_factory=dict)
    claim: dict[str, Any] = field(default_factory=dict)
    offer: dict[str, Any] = field(default_factory=dict)
    buyer_of_claim: Party | None = None
    receiver: Party | None = None

    @property
    def key(self) -> str:
        """The receivable's id on the chain."""
        return str(self.claim["chain_id"])

    @property
    def place(self) -> str:
        return str(self.claim["links"]["self"])

    @property
    def amount(self) -> int:
        return int(self.claim["amount"]["minor"])

    def money(self, minor: int) -> str:
        """Minor units as people read them."""
        currency = self.claim["amount"]["currency"]
        return f"{currency} {money.from_minor(minor, currency):,f}"

    def sold(self) -> bool:
        """Whether the chain says that the claim was sold under one of the offers for it."""
        return any(self.sale_done(offer["sale"]) for offer in self.cast.supplier.get(f"{self.place}/offers"))

    def sale_done(self, sale: str) -> bool:
        """Whether the chain says that a sale is done."""
        return bool(self.chain.call("Financing", "saleOf", sale=sale)["status"] == _SALE_DONE)

    def holders(self) -> tuple[Party, Party]:
        """The bank that bought the claim and the one it passed a part on to."""
        if self.buyer_of_claim is None or self.receiver is None:
            raise JourneyError("nobody has bought the claim yet")
        return self.buyer_of_claim, self.receiver

    def permit(self, party: Party, spender: str, purpose: str, minor: int) -> None:
        """Lets a contract take so much from the party's wallet, unless it may already."""
        token = self.claim["terms"]["token"]
        needed: int = minor * 10 ** ledger.parse(self.deployment).tokens[token].exponent
        contract = self.chain.contracts[spender].address

        def allowed() -> bool:
            return self.chain.allowance(token, party.wallet, contract) >= needed

        if not allowed():
            body = {"currency": self.claim["amount"]["currency"], "purpose": purpose, "wallet": party.wallet}
            self.act(party, "/v1/permits", body | {"amount": minor}, "the permit on the chain", allowed)

    def act(self, party: Party, path: str, body: Any, what: str, done: Callable[[], Any]) -> list[str]:
        """Prepares, signs and sends, and waits until the chain shows it; the words that were signed.

        What failed in an earlier journey is tried again. Raises JourneyError with the reason when it fails
        now.
        """
        for attempt in range(_ATTEMPTS):
            action = self._prepared(party, path, body, f"{self.key} {attempt}")
            words = party.sign(action)
            failure: str | bool = wait_for(what, partial(self._outcome, party, action, done))
            if failure is True:
                return words
            if words:
                raise JourneyError(f"{what} failed: {failure}")
        raise JourneyError(f"{what} failed {_ATTEMPTS} times")

    def _outcome(self, party: Party, action: dict[str, Any], done: Callable[[], Any]) -> str | bool | None:
        return True if done() else party.failure(action)

    def _prepared(self, party: Party, path: str, body: Any, once: str) -> Any:
        """The action; the API refuses some until its index has seen what the chain shows already."""

        def attempt() -> Any:
            try:
                return party.post(path, body, once=once)
            except RefusedError as refusal:
                if refusal.code not in _UNTIL_INDEXED:
                    raise
                return None

        return wait_for(f"{path} to be possible", attempt)

    def indexed(self, seen: Callable[[dict[str, Any]], bool]) -> None:
        """Waits until the API has seen what the chain shows already."""

        def look() -> bool:
            self.claim = self.cast.supplier.get(self.place)
            return bool(seen(self.claim))

        wait_for("the chain's news in the API", look)

    def open(self, party: Party) -> bool:
        """Whether the party takes claims without being asked."""
        return bool(
            self.chain.one("Participants", "account", account_=party.account)["flags"] & _ACCOUNT_OPEN
        )

    def transfers(self, giver: Party, taker: Party) -> list[dict[str, Any]]:
        """Units that went from one to the other, whole or in part."""
        sides = {"from": giver.account, "to": taker.account, "id": int(self.key, 16)}
        return self.chain.events("Receivables", "TransferSingle", **sides)

    def moved(self, giver: Party, taker: Party) -> bool:
        """Whether any did."""
        return bool(self.transfers(giver, taker))

    def paid(self) -> int:
        """Face paid so far."""
        return sum(event["face"] for event in self.chain.events("Receivables", "Paid", id=self.key))

    def paid_more_than(self, minor: int) -> bool:
        """Whether more than that was paid."""
        return self.paid() > minor

    def redeemed(self, account: str) -> int:
        """Face an account collected."""
        found = self.chain.events("Receivables", "Redeemed", id=self.key, account=account)
        return sum(event["face"] for event in found)
