"""What typed data says, in sentences a clerk reads before signing: made from the data itself, never from a
server.

`lines` covers every member of every statement that can be signed here, so nothing is signed that was not
shown.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from backend.kit.messages import Locale, text
from backend.signing.statements import UNDERTAKINGS
from backend.signing.typed import Document, Refused

Names = Mapping[str, str]
_FOREVER = 2**256 - 1


class _Writer:
    """Collects sentences in one language, with the reader's own names for addresses."""

    def __init__(self, document: Document, locale: Locale, names: Names) -> None:
        self.ledger, self.locale, self.names = document.ledger, locale, names
        self.said: list[str] = []

    def say(self, code: str, **params: object) -> None:
        self.said.append(text(f"sign-{code}", self.locale, **params))

    def who(self, address: str) -> str:
        name = self.names.get(address) or self.ledger.contract_at(address)
        return f"{name} ({address})" if name else address

    def when(self, seconds: int) -> str:
        if seconds > 253_402_300_799:
            return text("sign-for-ever", self.locale)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def money(self, token: str, minor: int) -> str:
        known = self.ledger.tokens.get(token)
        if known is None:
            raise Refused("sign-unknown-token", token=token)
        return known.amount(minor)

    def terms(self, terms: Mapping[str, Any]) -> None:
        token = self.ledger.tokens.get(terms["token"])
        if token is None:
            raise Refused("sign-unknown-token", token=terms["token"])
        if token.currency.encode() != terms["currency"]:
            raise Refused("sign-other-currency", token=token.symbol, currency=token.currency)
        if terms["undertaking"] >= len(UNDERTAKINGS) or terms["paymentOrder"] > 1:
            raise Refused(
                "sign-bad-value", problem=f"undertaking {terms['undertaking']}, order {terms['paymentOrder']}"
            )
        self.say("terms-parties", debtor=self.who(terms["debtor"]), supplier=self.who(terms["supplier"]))
        self.say(
            "terms-amount", amount=token.amount(terms["amount"]), token=token.symbol, address=terms["token"]
        )
        rate = f"{Decimal(terms['lateRate']).scaleb(-4).normalize():f}"
        self.say("terms-due", due=self.when(terms["dueEnd"]), grace=terms["graceDays"], rate=rate)
        self.say(("terms-acknowledged", "terms-irrevocable")[terms["undertaking"]])
        self.say(("terms-interest-first", "terms-face-first")[terms["paymentOrder"]])
        self.say(
            "terms-hashes",
            fingerprint=_hex(terms["fingerprint"]),
            others=_hex(terms["otherFingerprints"]),
            key_set=terms["keySet"],
            root=_hex(terms["documentRoot"]),
            rules=_hex(terms["rules"]),
        )

    def offer(self, offer: Mapping[str, Any]) -> None:
        money = partial(self.money, offer["token"])
        self.say("offer-parties", buyer=self.who(offer["buyer"]), seller=self.who(offer["seller"]))
        for parcel in offer["parcels"]:
            unpaid = money(parcel["minUnpaid"])
            self.say("offer-parcel", units=f"{parcel['units']:,}", id=_hex(parcel["id"]), unpaid=unpaid)
        self.say("offer-price", price=money(offer["price"]), token=offer["token"])
        if offer["reserve"]:
            self.say("offer-reserve", reserve=money(offer["reserve"]))
        if offer["recourse"] > 1:
            raise Refused("sign-bad-value", problem=f"recourse {offer['recourse']}")
        self.say(
            ("offer-without-recourse", "offer-with-recourse")[offer["recourse"]],
            price=money(offer["repurchasePrice"]),
        )
        if offer["acceptDispute"]:
            self.say("offer-accept-dispute")
        if offer["lockTime"]:
            self.say("offer-lock", seconds=offer["lockTime"])
        self.say("offer-agreement", agreement=_hex(offer["agreement"]), law=_hex(offer["law"]))
        self.say(
            "offer-until",
            expiry=self.when(offer["expiry"]),
            signer=self.who(offer["signer"]),
            salt=offer["salt"],
        )


def lines(document: Document, locale: Locale, names: Names | None = None) -> list[str]:
    """The sentences of `document`, most important first. `names` are the reader's own names for addresses.

    Raises `Refused` when a value has no honest words: an unknown token, another sentence than the
    undertaking's.
    """
    writer = _Writer(document, locale, names or {})
    message = document.message
    writer.said += summary(document, locale, names)
    if "deadline" in message:
        writer.say("deadline", deadline=writer.when(message["deadline"]), nonce=message["nonce"])
    if "gasFloor" in message:
        writer.say("gas-floor", gas=message["gasFloor"])
    writer.say("where", contract=writer.who(document.contract), chain_id=document.ledger.chain_id)
    return writer.said


def summary(document: Document, locale: Locale, names: Names | None = None) -> list[str]:
    """The sentences of `lines` without those that only bound the signature's use."""
    writer = _Writer(document, locale, names or {})
    _WORDS[document.statement.name](writer, document.message, document)
    return writer.said


def _issue(writer: _Writer, message: Mapping[str, Any], document: Document) -> None:
    writer.say("issue-and-confirm" if document.statement.name == "IssueAndConfirm" else "issue")
    writer.terms(message)


def _confirmation(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    terms = message["terms"]
    writer.say("confirmation", amount=writer.money(terms["token"], terms["amount"]))
    writer.terms(terms)
    if message["statement"] != UNDERTAKINGS[terms["undertaking"]]:
        raise Refused("sign-other-undertaking")
    writer.said.append(f"“{message['statement']}”")


def _withdraw(writer: _Writer, message: Mapping[str, Any], document: Document) -> None:
    writer.say("cancel" if document.statement.name == "Cancel" else "reject", reason=_hex(message["reason"]))
    writer.terms(message)


def _transfer(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say(
        "transfer",
        units=f"{message['units']:,}",
        id=_hex(message["id"]),
        giver=writer.who(message["from"]),
        taker=writer.who(message["to"]),
    )


def _allow_receipt(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say(
        "allow-receipt",
        units=f"{message['units']:,}",
        id=_hex(message["id"]),
        account=writer.who(message["account"]),
    )


def _pay(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say("pay", amount=f"{message['amount']:,}", id=_hex(message["id"]))


def _pay_as_debtor(writer: _Writer, message: Mapping[str, Any], document: Document) -> None:
    terms = {name: message[name] for name, _ in _terms_members(document)}
    writer.say("pay-as-debtor", amount=writer.money(terms["token"], message["payment"]))
    if message["lot"]:
        writer.say("pay-lot", lot=message["lot"])
    writer.terms(terms)


def _terms_members(document: Document) -> tuple[tuple[str, str], ...]:
    return document.statement.members[:15]


def _redeem(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say("redeem", id=_hex(message["id"]), account=writer.who(message["account"]))


def _dispute(writer: _Writer, message: Mapping[str, Any], document: Document) -> None:
    terms = {name: message[name] for name, _ in _terms_members(document)}
    amount = writer.money(terms["token"], message["disputed"])
    writer.say("dispute", amount=amount, reason=_hex(message["reason"]))
    writer.terms(terms)


def _end_dispute(writer: _Writer, message: Mapping[str, Any], document: Document) -> None:
    writer.say("end-dispute", lot=message["lot"])
    writer.terms({name: message[name] for name, _ in _terms_members(document)})


def _credit_note(writer: _Writer, message: Mapping[str, Any], document: Document) -> None:
    terms = {name: message[name] for name, _ in _terms_members(document)}
    writer.say(
        "credit-note", amount=writer.money(terms["token"], message["total"]), note=_hex(message["note"])
    )
    if message["lot"]:
        writer.say("credit-lot", lot=message["lot"])
    writer.terms(terms)


def _credit_consent(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say(
        "credit-consent",
        amount=f"{message['amount']:,}",
        account=writer.who(message["account"]),
        id=_hex(message["id"]),
        note=_hex(message["note"]),
    )


def _close_outside(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say(
        "close-outside",
        amount=f"{message['amount']:,}",
        account=writer.who(message["account"]),
        id=_hex(message["id"]),
        reference=_hex(message["paymentReference"]),
    )


def _waive(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    code = "waive" if message["waived"] else "waive-ended"
    writer.say(code, account=writer.who(message["account"]), id=_hex(message["id"]))


def _write_off(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say("write-off", account=writer.who(message["account"]), id=_hex(message["id"]))


def _offer(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say("offer")
    writer.offer(message)


def _accept(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    least = writer.money(message["offer"]["token"], message["minPrice"])
    writer.say("accept", least=least)
    writer.offer(message["offer"])


def _cancel_offer(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say("cancel-offer")
    writer.offer(message["offer"])


def _cash(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    offer = message["offer"]
    price = writer.money(offer["token"], offer["price"])
    writer.say("acknowledge-cash", price=price, reference=_hex(message["paymentReference"]))
    writer.offer(offer)


def _warranty(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say("demand-warranty", parcel=message["parcel"] + 1, evidence=_hex(message["evidence"]))
    writer.offer(message["offer"])


def _warranty_answer(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    code = "admit-warranty" if message["admitted"] else "deny-warranty"
    writer.say(code, parcel=message["parcel"] + 1, answer=_hex(message["answer"]))
    writer.offer(message["offer"])


def _recourse(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    most = writer.money(message["offer"]["token"], message["maxPrice"])
    code = "recourse-warranty" if message["warranty"] else "recourse-default"
    writer.say(code, parcel=message["parcel"] + 1, most=most)
    writer.offer(message["offer"])


def _consent(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say("consent" if message["open"] else "consent-ended", account=writer.who(message["account"]))


def _capture(writer: _Writer, message: Mapping[str, Any], _: Document) -> None:
    writer.say(
        "capture",
        account=writer.who(message["account"]),
        document=_hex(message["document"]),
        log=_hex(message["logId"]),
    )


def _permit(writer: _Writer, message: Mapping[str, Any], document: Document) -> None:
    token = document.ledger.tokens[document.contract]
    value = message["value"]
    if value == _FOREVER:
        raise Refused("sign-unlimited-permit", token=token.symbol)
    writer.say(
        "permit",
        owner=writer.who(message["owner"]),
        spender=writer.who(message["spender"]),
        amount=token.raw(value),
    )


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


_WORDS: dict[str, Callable[[_Writer, Mapping[str, Any], Document], None]] = {
    "Issue": _issue,
    "IssueAndConfirm": _issue,
    "Confirmation": _confirmation,
    "Cancel": _withdraw,
    "Reject": _withdraw,
    "Transfer": _transfer,
    "AllowReceipt": _allow_receipt,
    "Pay": _pay,
    "PayAsDebtor": _pay_as_debtor,
    "Redeem": _redeem,
    "Dispute": _dispute,
    "EndDispute": _end_dispute,
    "IssueCreditNote": _credit_note,
    "JoinCreditNote": _credit_consent,
    "CloseOutside": _close_outside,
    "WaiveInterest": _waive,
    "WriteOff": _write_off,
    "SetStandingConsent": _consent,
    "Offer": _offer,
    "Accept": _accept,
    "CancelOffer": _cancel_offer,
    "AcknowledgeCash": _cash,
    "DemandWarranty": _warranty,
    "AnswerWarranty": _warranty_answer,
    "PerformRecourse": _recourse,
    "Capture": _capture,
    "Permit": _permit,
}
