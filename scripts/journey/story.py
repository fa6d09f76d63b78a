"""The steps of the journey, in order. Each does what is missing and ends when the chain shows it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from scripts.journey import goods, offline
from scripts.journey.goods import Trade
from scripts.journey.paper import reformatted
from scripts.journey.party import JourneyError, Party, RefusedError, wait_for
from scripts.journey.stage import Stage

_TENOR = timedelta(days=90)
_OFFERS = {"bank-one": (0.061, False), "bank-two": (0.052, False)}
"""Annual rate and recourse that each bank offers at."""
_PROVED = (
    "claim",
    "signature",
    "signer",
    "document",
    "fingerprint",
    "slot",
    "received",
    "match",
    "anchored-before",
)
"""What a bank must see proved before it offers: who owes, that it signed, for which invoice, that there is no
other claim for it, that the goods arrived, and that all this was recorded before."""
_PASSED_ON = 30  # percent
_FIRST_PAYMENT = 40  # percent


class Story(Stage):
    """The steps; their docstrings are what is shown."""

    @property
    def _part(self) -> int:
        """The units that the bank passes on."""
        return self.amount * _PASSED_ON // 100

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
        """The seller reports making, order and despatch, the buyer the receipt, each under its own key"""
        seller, buyer = self.cast.supplier, self.cast.buyer
        trade = Trade(
            self.paper.invoice,
            gln_of(seller),
            gln_of(buyer),
            datetime.fromisoformat(self.invoice["created_at"]),
        )
        for party, name, document in (
            (seller, "making", goods.making(trade)),
            (seller, "order", goods.order(trade)),
            (seller, "despatch", goods.despatch(trade)),
            (buyer, "receipt", goods.receipt(trade)),
        ):
            done = party.record(document)
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
        seen = buyer.get(self.place)
        if seen["stage"] == "put_forward":
            yield from (each["words"]["en"] for each in seen["goods"])
            yield from buyer.sign(buyer.post(f"{self.place}/confirmation", once=self.key))[:3]
        wait_for(
            "the confirmation on the chain", lambda: self.chain.status(self.key) in {"confirmed", "settled"}
        )
        self.indexed(lambda claim: claim["chain"] is not None)
        yield f"on the chain: {self.key}"

    def anchored(self) -> Iterator[str]:
        """The log of events is anchored on the chain"""
        size = self.cast.operator.get("/v1/log")["size"]  # others see no more than the head
        head = wait_for(
            "the log's head on the chain",
            lambda: (found := self.chain.one("ProvenanceLog", "head"))["size"] >= size and found,
        )
        wait_for(
            "the log's head in the index, which reports rest on",
            lambda: (self.cast.operator.get("/v1/log")["head"] or {"size": 0})["size"] >= size,
        )
        yield f"{head['size']} events under {head['logRoot']}"

    def verify(self) -> Iterator[str]:
        """The banks are shown the claim and open the verification report"""
        for bank in self.cast.banks.values():
            self.cast.supplier.post(f"{self.place}/invitations", {"party_id": bank.party_id})
        if self.sold():
            yield "sold already"
            return
        bank = self.cast.banks["bank-one"]
        report = bank.get(f"{self.place}/verification")
        for check in report["checks"]:
            if check["outcome"] != "not-applicable":
                yield f"{check['outcome']:<12}{check['title']}: {check['text']}"
        outcomes = {check["check"]: check["outcome"] for check in report["checks"]}
        missing = [name for name in _PROVED if outcomes.get(name) != "pass"]
        if missing:
            raise JourneyError(f"the report does not say pass to: {', '.join(missing)}")
        yield report["sum"]["text"]

    def verify_offline(self) -> Iterator[str]:
        """The bank checks the bundle itself: offline, against a block hash from its own node"""
        if self.sold():
            return iter(["sold already"])
        return offline.prove(self.cast.banks["bank-one"].download(f"{self.place}/bundle"), self.chain)

    # ── sale ──

    def offers(self) -> Iterator[str]:
        """Two banks offer"""
        if self.sold():
            yield "sold already"
            return
        days = (datetime.fromisoformat(self.claim["due_date"]).date() - datetime.now(UTC).date()).days
        for name, (rate, recourse) in _OFFERS.items():
            bank = self.cast.banks[name]
            mine = [o for o in bank.get(f"{self.place}/offers") if o["buyer"] == bank.account]
            if any(each["status"] in {"open", "accepted", "sold"} for each in mine):
                continue
            price = int(self.amount / (1 + rate * days / 365))
            self.permit(bank, "Financing", "purchases", price)
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
        if not self.sold():
            self.act(seller, self.offer["links"]["acceptance"], {}, "the sale on the chain", self.sold)
        wait_for(
            "the sale in the read model", lambda: seller.get(self.offer["links"]["self"])["status"] == "sold"
        )
        banks = {bank.account: bank for bank in self.cast.banks.values()}
        self.buyer_of_claim = banks.pop(self.offer["buyer"])
        (self.receiver,) = banks.values()
        money = self.offer["receive"]
        yield f"{self.buyer_of_claim.id} has the claim, the supplier {money['text']} {money['currency']}"

    def pass_on(self) -> Iterator[str]:
        """The bank passes 30 % on to the second bank"""
        giver, taker = self.holders()
        if not self.open(taker):
            self.act(
                taker, "/v1/consents", {"open": True}, "the consent on the chain", partial(self.open, taker)
            )
        if not self.moved(giver, taker):
            body = {"to": taker.account, "units": self._part}
            moved = partial(self.moved, giver, taker)
            self.act(giver, f"{self.place}/transfers", body, "the transfer on the chain", moved)
        yield f"{taker.id} holds {self.money(self._part)}"

    # ── payment ──

    def pay(self) -> Iterator[str]:
        """The buyer pays in two parts"""
        buyer, first = self.cast.buyer, self.amount * _FIRST_PAYMENT // 100
        paid = self.paid()
        if paid < self.amount:
            self.permit(buyer, "Receivables", "payments", self.amount - paid)
        for part, so_far in ((first, 0), (self.amount - first, first)):
            if self.paid() == so_far:
                self.indexed(partial(_has_paid, so_far))
                more = partial(self.paid_more_than, so_far)
                self.act(buyer, f"{self.place}/payments", {"amount": part}, f"payment {so_far}", more)
            yield f"paid {self.money(self.paid())} of {self.money(self.amount)}"
        wait_for("the end of the debt on the chain", lambda: self.chain.status(self.key) == "settled")

    def redeem(self) -> Iterator[str]:
        """Both holders collect their money"""
        self.indexed(lambda claim: claim["chain"]["status"] == "settled")
        for holder in self.holders():
            if not self.redeemed(holder.account):
                collected = partial(self.redeemed, holder.account)
                self.act(holder, f"{self.place}/redemptions", {}, "the redemption on the chain", collected)
            yield f"{holder.id} collected {self.money(self.redeemed(holder.account))}"

    def settled(self) -> Iterator[str]:
        """Settled: every sum is exact, and every step is on the chain once"""
        first, second = self.holders()
        sums = {
            "paid": (self.paid(), self.amount),
            "collected": (self.redeemed(first.account) + self.redeemed(second.account), self.amount),
            "collected by the second bank": (self.redeemed(second.account), self._part),
        }
        counts = {
            "Issued": 1,
            "Confirmed": 1,
            "Paid": 2,
            "Redeemed": 2,
        }
        for what, (found, expected) in sums.items():
            if found != expected:
                raise JourneyError(f"{what}: {found} instead of {expected} minor units")
        for name, expected in counts.items():
            if (found := len(self.chain.events("Receivables", name, id=self.key))) != expected:
                raise JourneyError(f"{name} stands on the chain {found} times instead of {expected}")
        sales = self.chain.events("Financing", "OfferAccepted", sale=self.offer["sale"])
        if len(sales) != 1 or len(self.transfers(first, second)) != 1:
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


def _has_paid(minor: int, claim: dict[str, Any]) -> bool:
    return bool(claim["chain"]["paid"]["minor"] == minor)


def gln_of(party: Party) -> str:
    """The first GLN of a party. Raises JourneyError if it has none."""
    known = party.get(f"/v1/parties/{party.party_id}")["identifiers"]
    for each in known:
        if each["scheme"] == "gln":
            return str(each["value"])
    raise JourneyError(f"{party.id} has no GLN, which the events of its goods need")
