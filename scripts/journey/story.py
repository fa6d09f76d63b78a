"""The steps of the journey, in order. Each does what is missing and ends when the chain shows it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from scripts.journey import goods
from scripts.journey.chain import Chain
from scripts.journey.goods import Trade
from scripts.journey.paper import Paper, reformatted
from scripts.journey.party import JourneyError, Party, RefusedError, wait_for

_TENOR = timedelta(days=90)
_OFFERS = {"bank-one": (0.061, False), "bank-two": (0.052, False)}
"""Annual rate and recourse that each bank offers at."""
_PASSED_ON = 30  # percent
_FIRST_PAYMENT = 40  # percent


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
class Story:
    """The journey so far: what one step finds and the next needs."""

    cast: Cast
    chain: Chain
    paper: Paper
    deployment: Any
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

    @property
    def part(self) -> int:
        """The units that the bank passes on."""
        return self.amount * _PASSED_ON // 100

    def money(self, minor: int) -> str:
        """Minor units as people read them."""
        currency, digits = (
            self.claim["amount"]["currency"],
            len(self.claim["amount"]["text"].partition(".")[2]),
        )
        return f"{currency} {minor / 10**digits:,.{digits}f}" if digits else f"{currency} {minor:,}"

    # ── invoice and goods ──

    def signers(self) -> Iterator[str]:
        """Each party sets its own signer up for this ledger, and no other"""
        names = {party.account: party.id for party in self.cast.parties}
        for party in self.cast.parties:
            party.trust(self.deployment, names)
        yield f"{len(names)} keystores"

    def upload(self) -> Iterator[str]:
        """The supplier uploads its invoice; its fields are read, problems shown, the buyer matched"""
        seller, number = self.cast.supplier, self.paper.invoice.number
        known = [
            each for each in seller.get("/v1/invoices", number=number)["items"] if each["number"] == number
        ]
        if known:
            self.invoice = seller.get(f"/v1/invoices/{known[0]['id']}")
        else:
            files = {"file": (self.paper.name, self.paper.data, "application/xml")}
            self.invoice = seller.post("/v1/invoices", files=files, once=sha256(self.paper.data).hexdigest())
        read = self.invoice
        yield f"{read['number']} of {read['issue_date']}: {read['payable']} minor units of {read['currency']}"
        for reason in read["financeable"]["reasons"]:
            yield f"{reason['effect']}: {reason['sentence']}"
        if read["buyer_party_id"] != self.cast.buyer.party_id:
            raise JourneyError(f"the buyer was not matched: {read['buyer_party_id']}")

    def release(self) -> Iterator[str]:
        """The operator looks at what holds the invoice, and lets it go"""
        operator = self.cast.operator
        held = {each["rule"] for each in self.invoice["holds"] if each["released_at"] is None}
        for rule in sorted(held):
            body = {"reason": "Looked at the contract: the seller is the one to be paid."}
            operator.post(f"/v1/invoices/{self.invoice['id']}/holds/{rule}/release", body)
            yield f"let go: {rule}"
        yield "" if held else "nothing holds it"

    def capture(self) -> Iterator[str]:
        """The seller reports order and despatch, the buyer the receipt, each under its own key"""
        seller, buyer = self.cast.supplier, self.cast.buyer
        trade = Trade(
            self.paper.invoice, _gln(seller), _gln(buyer), datetime.fromisoformat(self.invoice["created_at"])
        )
        for party, name, document in (
            (seller, "order", goods.order(trade)),
            (seller, "despatch", goods.despatch(trade)),
            (buyer, "receipt", goods.receipt(trade)),
        ):
            digest = "0x" + sha256(document).hexdigest()
            prepared = party.get("/v1/log/signing", account=party.account, document=digest)
            done = party.post(
                "/epcis/capture",
                content=document,
                once=digest,
                headers={
                    "Content-Type": "application/json",
                    "Tallystick-Account": party.account,
                    "Tallystick-Signature": party.signature(prepared["typed_data"]),
                },
            )
            if not done["success"]:
                raise JourneyError(f"the {name} was not recorded: {done['errors']}")
            yield f"{name}: {done['captured']} event recorded, {done['duplicates']} known"

    # ── confirmation ──

    def draft(self) -> Iterator[str]:
        """The supplier makes a receivable of it and signs the terms"""
        seller = self.cast.supplier
        found = seller.get("/v1/receivables", invoice_id=self.invoice["id"])["items"]
        live = [each for each in found if each["stage"] not in {"rejected", "withdrawn"}]
        self.claim = live[0] if live else seller.post("/v1/receivables", self._wishes())
        if self.claim["stage"] == "draft":
            yield from seller.sign(seller.post(f"{self.place}/issue", once=self.claim["chain_id"]))[:3]
        yield f"receivable {self.claim['id']}"

    def _wishes(self) -> dict[str, Any]:
        wishes: dict[str, Any] = {"invoice_id": self.invoice["id"], "time_zone": "Europe/Berlin"}
        today, due = datetime.now(UTC).date(), self.paper.invoice.due.day
        if due is None or not today < due <= today + timedelta(days=180):
            wishes["due_date"] = (today + _TENOR).isoformat()  # agreed anew: the buyer signs it
        return wishes

    def confirm(self) -> Iterator[str]:
        """The buyer sees what was delivered and confirms by signature: issued and confirmed in one call"""
        buyer = self.cast.buyer
        if buyer.get(self.place)["stage"] == "put_forward":
            yield from buyer.sign(buyer.post(f"{self.place}/confirmation", once=self.claim["chain_id"]))[:3]
        wait_for(
            "the confirmation on the chain", lambda: self.chain.status(self.key) in {"confirmed", "settled"}
        )
        self._indexed(lambda claim: claim["chain"] is not None)
        yield f"on the chain: {self.key}"

    def anchored(self) -> Iterator[str]:
        """The log of events is anchored on the chain"""
        size = self.cast.supplier.get("/v1/log")["size"]
        head = wait_for(
            "the log's head on the chain",
            lambda: (found := self.chain.one("ProvenanceLog", "head"))["size"] >= size and found,
        )
        yield f"{head['size']} events under {head['logRoot']}"

    def verify(self) -> Iterator[str]:
        """The banks are shown the claim and open the verification report"""
        for bank in self.cast.banks.values():
            self.cast.supplier.post(f"{self.place}/invitations", {"party_id": bank.party_id})
        bank = self.cast.banks["bank-one"]
        report = bank.get(f"{self.place}/verification")
        for check in report["checks"]:
            yield f"{check['result']}: {check['words']['en'] if 'words' in check else check['id']}"

    # ── sale ──

    def offers(self) -> Iterator[str]:
        """Two banks offer"""
        if self._sold():
            yield "sold already"
            return
        days = (datetime.fromisoformat(self.claim["due_date"]).date() - datetime.now(UTC).date()).days
        for name, (rate, recourse) in _OFFERS.items():
            bank = self.cast.banks[name]
            mine = [o for o in bank.get(f"{self.place}/offers") if o["buyer"] == bank.account]
            if any(each["status"] in {"open", "accepted", "sold"} for each in mine):
                continue
            price = int(self.amount / (1 + rate * days / 365))
            self._permit(bank, "Financing", "purchases", price)
            body = {
                "receivables": [{"receivable_id": self.claim["id"]}],
                "price": price,
                "recourse": recourse,
                "wallet": bank.wallet,
                "expires_at": (datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)).isoformat(),
            }
            bank.sign(bank.post("/v1/offers", body))
            yield f"{name} offers {self.money(price)}"

    def accept(self) -> Iterator[str]:
        """The supplier compares in plain words and accepts the better; cash and claim swap at once"""
        seller = self.cast.supplier
        offers = seller.get(f"{self.place}/offers")
        for each in offers:
            yield f"{each['buyer_name']}: {each['words']['en']}"
        taken = [each for each in offers if each["status"] in {"accepted", "sold"}]
        self.offer = taken[0] if taken else offers[0]
        if not self._sold():
            seller.sign(seller.post(self.offer["links"]["acceptance"], {}, once=self.offer["id"]))
            wait_for("the sale on the chain", self._sold)
        wait_for(
            "the sale in the read model", lambda: seller.get(self.offer["links"]["self"])["status"] == "sold"
        )
        banks = {bank.account: bank for bank in self.cast.banks.values()}
        self.buyer_of_claim = banks.pop(self.offer["buyer"])
        (self.receiver,) = banks.values()
        money = self.offer["receive"]
        yield f"{self.buyer_of_claim.id} has the claim, the supplier {money['text']} {money['currency']}"

    def _sold(self) -> bool:
        return bool(self._sales())

    def _sales(self) -> list[dict[str, Any]]:
        sales = self.chain.events("Financing", "Sold")
        return [
            sale for sale in sales if any(parcel["id"] == self.key for parcel in sale["offer"]["parcels"])
        ]

    def pass_on(self) -> Iterator[str]:
        """The bank passes 30 % on to the second bank"""
        giver, taker = self._holders()
        if not self._open(taker):
            taker.sign(taker.post("/v1/consents", {"open": True}, once=self.key))
            wait_for("the consent on the chain", lambda: self._open(taker))
        if not self._moved(giver, taker):
            body = {"to": taker.account, "units": self.part}
            giver.sign(self._retried(giver, f"{self.place}/transfers", body))
            wait_for("the transfer on the chain", lambda: self._moved(giver, taker))
        yield f"{taker.id} holds {self.money(self.part)}"

    # ── payment ──

    def pay(self) -> Iterator[str]:
        """The buyer pays in two parts"""
        buyer, first = self.cast.buyer, self.amount * _FIRST_PAYMENT // 100
        paid = self._paid()
        if paid < self.amount:
            self._permit(buyer, "Receivables", "payments", self.amount - paid)
        for part, so_far in ((first, 0), (self.amount - first, first)):
            if self._paid() == so_far:
                self._indexed(partial(_has_paid, so_far))
                buyer.sign(
                    buyer.post(f"{self.place}/payments", {"amount": part}, once=f"{self.key} {so_far}")
                )
                wait_for("the payment on the chain", partial(self._paid_more_than, so_far))
            yield f"paid {self.money(self._paid())} of {self.money(self.amount)}"
        wait_for("the end of the debt on the chain", lambda: self.chain.status(self.key) == "settled")

    def redeem(self) -> Iterator[str]:
        """Both holders collect their money"""
        self._indexed(lambda claim: claim["chain"]["status"] == "settled")
        for holder in self._holders():
            if not self._redeemed(holder.account):
                holder.sign(holder.post(f"{self.place}/redemptions", {}, once=self.key))
                wait_for("the redemption on the chain", partial(self._redeemed, holder.account))
            yield f"{holder.id} collected {self.money(self._redeemed(holder.account))}"

    def settled(self) -> Iterator[str]:
        """Settled: every sum is exact, and every step is on the chain once"""
        first, second = self._holders()
        sums = {
            "paid": (self._paid(), self.amount),
            "collected": (self._redeemed(first.account) + self._redeemed(second.account), self.amount),
            "collected by the second bank": (self._redeemed(second.account), self.part),
        }
        counts = {
            "Issued": 1,
            "Confirmed": 1,
            "Paid": 2,
            "Redeemed": 2,
            "Settled": 1,
        }
        for what, (found, expected) in sums.items():
            if found != expected:
                raise JourneyError(f"{what}: {found} instead of {expected} minor units")
        for name, expected in counts.items():
            if (found := len(self.chain.events("Receivables", name, id=self.key))) != expected:
                raise JourneyError(f"{name} stands on the chain {found} times instead of {expected}")
        if len(self._sales()) != 1 or len(self._transfers(first, second)) != 1:
            raise JourneyError("the sale or the transfer does not stand on the chain exactly once")
        yield f"{self.money(self.amount)} paid, {self.money(self.amount)} collected"

    # ── the same invoice again ──

    def again(self) -> Iterator[str]:
        """The same invoice again, made to look like another: refused"""
        yield self._refused(self.cast.supplier, reformatted(self.paper))

    def rival(self) -> Iterator[str]:
        """The same invoice, brought by another supplier: refused"""
        yield self._refused(self.cast.rival, self.paper.data)

    def _refused(self, party: Party, data: bytes) -> str:
        try:
            files = {"file": ("invoice.xml", data, "application/xml")}
            party.post("/v1/invoices", files=files, once=sha256(data).hexdigest())
        except RefusedError as refusal:
            return refusal.sentence
        raise JourneyError(f"{party.id} could bring the same invoice again")

    # ── what the steps share ──

    def _holders(self) -> tuple[Party, Party]:
        if self.buyer_of_claim is None or self.receiver is None:
            raise JourneyError("nobody has bought the claim yet")
        return self.buyer_of_claim, self.receiver

    def _permit(self, party: Party, spender: str, purpose: str, minor: int) -> None:
        """Lets a contract take so much from the party's wallet, unless it may already."""
        token = self.claim["terms"]["token"]
        settings = self.chain.call("Receivables", "currencyOf", token=token)["settings"]
        needed: int = minor * 10 ** int(settings["exponent"])
        contract = self.chain.contracts[spender].address

        def allowed() -> bool:
            return self.chain.allowance(token, party.wallet, contract) >= needed

        if not allowed():
            body = {"currency": self.claim["amount"]["currency"], "purpose": purpose, "wallet": party.wallet}
            party.sign(party.post("/v1/permits", body | {"amount": minor}, once=self.key))
            wait_for("the permit on the chain", allowed)

    def _retried(self, party: Party, path: str, body: dict[str, Any]) -> Any:
        """A request that the API refuses until its index has seen what the chain shows already."""

        def attempt() -> Any:
            try:
                return party.post(path, body, once=self.key)
            except RefusedError as refusal:
                if refusal.code not in {"receiver-has-not-consented", "not-enough-units"}:
                    raise
                return None

        return wait_for(f"{path} to be possible", attempt)

    def _indexed(self, seen: Any) -> None:
        def look() -> bool:
            self.claim = self.cast.supplier.get(self.place)
            return bool(seen(self.claim))

        wait_for("the chain's news in the API", look)

    def _open(self, party: Party) -> bool:
        return bool(self.chain.call("Participants", "account", account_=party.account)["0"]["flags"] & 2)

    def _transfers(self, giver: Party, taker: Party) -> list[dict[str, Any]]:
        sides = {"from": giver.account, "to": taker.account, "id": int(self.key, 16)}
        return self.chain.events("Receivables", "TransferSingle", **sides)

    def _moved(self, giver: Party, taker: Party) -> bool:
        return bool(self._transfers(giver, taker))

    def _paid(self) -> int:
        return sum(event["face"] for event in self.chain.events("Receivables", "Paid", id=self.key))

    def _paid_more_than(self, minor: int) -> bool:
        return self._paid() > minor

    def _redeemed(self, account: str) -> int:
        found = self.chain.events("Receivables", "Redeemed", id=self.key, account=account)
        return sum(event["face"] for event in found)


def _has_paid(minor: int, claim: dict[str, Any]) -> bool:
    return bool(claim["chain"]["paid"]["minor"] == minor)


def _gln(party: Party) -> str:
    known = party.get(f"/v1/parties/{party.party_id}")["identifiers"]
    for each in known:
        if each["scheme"] == "gln":
            return str(each["value"])
    raise JourneyError(f"{party.id} has no GLN, which the events of its goods need")
