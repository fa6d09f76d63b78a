"""What the API says of an invoice, and what it takes."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from backend.invoices import holds, summary
from backend.invoices.fingerprints import Fingerprints
from backend.invoices.goods import Goods
from backend.invoices.service import Standing
from backend.invoices.tables import InvoiceRecord
from backend.kit.access import Caller
from backend.kit.disclosure import Disclosure
from backend.kit.messages import Locale

ID = "0190b8a7-5c00-7000-8000-000000000001"
_HASH = "0x" + "5a" * 32


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class PartyView(View):
    """A party as the file states it."""

    name: str | None = Field(examples=["Example Tools GmbH"])
    vat: str | None = Field(examples=["DE999999911"])
    registration: str | None = Field(examples=["HRB 999001"])


class FindingView(View):
    """A rule that is not kept."""

    rule: str = Field(examples=["BR-CO-16"])
    severity: str = Field(examples=["error"])
    place: str = Field(examples=["BT-115"])
    sentence: str


class ValidationView(View):
    """`valid`, `invalid` or `not-applicable`, by the rule sets that ran."""

    result: str = Field(examples=["valid"])
    rules: list[str] = Field(examples=[["EN 16931 UBL (CEN) 1.3.16"]])
    findings: list[FindingView]


class ReasonView(View):
    """A rule that speaks against financing, and what it does: `block`, `hold` or `warn`."""

    rule: str = Field(examples=["due-derived"])
    effect: str = Field(examples=["hold"])
    sentence: str
    source: str


class FinanceableView(View):
    """`yes`, `hold` (something has to be settled first) or `no`."""

    result: str = Field(examples=["yes"])
    reasons: list[ReasonView]


class HoldView(View):
    """A reason for a person to look. `against` is shown to the operator and auditors only."""

    rule: str = Field(examples=["same-f"])
    released_at: datetime | None
    reason: str | None
    against: UUID | None


class DocumentView(View):
    """The original, at rest encrypted."""

    sha256: str = Field(examples=[_HASH])
    root: str = Field(
        description="Root of the salted fields; goes into the receivable's terms.", examples=[_HASH]
    )
    media_type: str = Field(examples=["application/xml"])
    signature: str | None = Field(
        description="Of a tax portal: `not-checked`, `verified` with the key's id, or null without one.",
        examples=["not-checked"],
    )
    scan: str = Field(description="What a scanner said, or `not-scanned`.", examples=["not-scanned"])


class InvoiceView(View):
    """An invoice with everything that was found in it and about it."""

    id: UUID = Field(examples=[ID])
    state: str = Field(examples=["open"])
    created_at: datetime
    seller_party_id: UUID = Field(examples=[ID])
    buyer_party_id: UUID | None = Field(
        description="Null while the buyer is no admitted party.", examples=[ID]
    )
    profile: str = Field(examples=["default"])
    format: str = Field(examples=["ubl-invoice"])
    number: str | None = Field(examples=["ET-2026/0117"])
    type: str | None = Field(examples=["380"])
    issue_date: str | None = Field(examples=["2026-11-02"])
    due_date: str | None = Field(examples=["2027-01-31"])
    due_date_source: str = Field(examples=["stated"])
    currency: str | None = Field(examples=["EUR"])
    payable: int | None = Field(description="Minor units.", examples=[594941])
    net: int | None
    tax: int | None
    gross: int | None
    prepaid: int | None
    seller: PartyView
    buyer: PartyView
    payee: PartyView | None
    order: str | None = Field(examples=["PO-88120"])
    despatch: str | None = Field(examples=["DN-5530"])
    receipt: str | None = Field(examples=["GR-70418"])
    preceding: list[str]
    validation: ValidationView
    financeable: FinanceableView
    holds: list[HoldView]
    document: DocumentView
    filing_number: str | None = Field(
        description="Of the assignment, in the registry of the place.", examples=["01234567000123456789"]
    )
    answer: str | None = Field(
        description="The buyer's last answer (Peppol Invoice Response).", examples=["AP"]
    )
    links: dict[str, str]


class InvoiceLine(View):
    """An invoice in a list."""

    id: UUID = Field(examples=[ID])
    state: str = Field(examples=["open"])
    number: str = Field(examples=["ET-2026/0117"])
    issue_date: str = Field(examples=["2026-11-02"])
    currency: str = Field(examples=["EUR"])
    payable: int | None = Field(examples=[594941])
    due_date: str | None = Field(examples=["2027-01-31"])
    seller: str | None = Field(examples=["Example Tools GmbH"])
    buyer: str | None = Field(examples=["Sample Machines AG"])
    seller_party_id: UUID = Field(examples=[ID])
    buyer_party_id: UUID | None = Field(examples=[ID])
    answer: str | None


class FieldView(View):
    """A field with the proof that it belongs to the document's root."""

    name: str = Field(examples=["BT-115"])
    value: Any = Field(examples=["5949.41"])
    salt: str = Field(examples=["0x" + "5a" * 16])
    siblings: list[str] = Field(description="From the root down, as the offline check takes them.")


class GoodsView(View):
    """One item of one delivery: billed here, received, accepted on other invoices. Null is "cannot tell"."""

    kind: str = Field(examples=["despatch"])
    number: str = Field(examples=["DN-5530"])
    item: str = Field(examples=["4000000000013"])
    unit: str | None = Field(examples=["H87"])
    billed: str = Field(examples=["40"])
    received: str | None = Field(examples=["40"])
    accepted: str | None = Field(examples=["40"])
    enough: bool | None = Field(examples=[False])


class FingerprintView(View):
    """A fingerprint with the proof that the invoice can have no other under this key (RFC 9381)."""

    value: str = Field(examples=[_HASH])
    key: str = Field(examples=[_HASH])
    identity: str = Field(examples=["tallystick-invoice-1|TAX:DE:999999911|2026|INV|ET2026-0117"])
    proof: str = Field(examples=["0x" + "5a" * 80])


class FingerprintsView(View):
    """All fingerprints of an invoice, under the active key set."""

    key_set: int = Field(examples=[1])
    fingerprints: list[FingerprintView]


class LegalHoldBody(BaseModel):
    """Why an invoice may not be erased; null if nothing keeps it any more."""

    model_config = ConfigDict(extra="forbid")
    reason: str | None = Field(max_length=500, examples=["Case 5 O 117/26, until the judgment is final."])


class FilingBody(BaseModel):
    """The number of a filing in a registry of assignments; null takes it back."""

    model_config = ConfigDict(extra="forbid")
    number: str | None = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9/-]{3,99}$", examples=["01234567000123456789"])


class ReleaseBody(BaseModel):
    """Why an invoice is let go."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(
        min_length=3, max_length=500, examples=["Two deliveries on one day; seen both receipts."]
    )


def invoice(caller: Caller, standing: Standing, locale: Locale) -> InvoiceView:
    """The whole view, as the caller may see it."""
    record = standing.record
    place = f"/v1/invoices/{record.id}"
    return InvoiceView.model_validate(
        {
            **summary.fields(standing.invoice),
            "id": record.id,
            "state": record.state,
            "created_at": record.created_at,
            "seller_party_id": record.party_id,
            "buyer_party_id": record.buyer_party_id,
            "profile": record.profile,
            "validation": summary.validation(standing.validation, locale),
            "financeable": summary.financeable(standing.judgement, locale),
            "holds": _holds(caller, standing),
            "document": {
                "sha256": record.sha256,
                "root": record.document_root,
                "media_type": record.media_type,
                "signature": standing.invoice.signature,
                "scan": record.scan,
            },
            "filing_number": record.filing_number,
            "answer": record.answer,
            "links": {
                "self": place,
                "document": f"{place}/document",
                "fields": f"{place}/fields",
                "fingerprints": f"{place}/fingerprints",
            },
        }
    )


def _holds(caller: Caller, standing: Standing) -> list[HoldView]:
    """Every hold once; what it met only for those who see everything."""
    views = [
        HoldView(
            rule=holds.shown(caller, each),
            released_at=each.released_at,
            reason=each.reason if caller.sees_everything else None,
            against=UUID(each.against) if each.against and caller.sees_everything else None,
        )
        for each in standing.holds
    ]
    return list(dict.fromkeys(views))


def line(record: InvoiceRecord) -> InvoiceLine:
    """The invoice as a row, from what was kept of it."""
    kept = record.fields
    return InvoiceLine(
        id=record.id,
        state=record.state,
        number=record.number,
        issue_date=record.issue_date,
        currency=record.currency,
        payable=kept.get("totals", {}).get("payable"),
        due_date=kept.get("due", {}).get("day"),
        seller=kept.get("seller", {}).get("name"),
        buyer=kept.get("buyer", {}).get("name"),
        seller_party_id=record.party_id,
        buyer_party_id=record.buyer_party_id,
        answer=record.answer,
    )


def field(disclosure: Disclosure) -> FieldView:
    """One disclosed field."""
    return FieldView(
        name=disclosure.name,
        value=disclosure.value,
        salt="0x" + disclosure.salt.hex(),
        siblings=["0x" + each.hex() for each in disclosure.proof.siblings],
    )


def goods(each: Goods) -> GoodsView:
    """One item of one delivery."""

    def plain(amount: Decimal | None) -> str | None:
        return None if amount is None else format(amount.normalize(), "f")

    return GoodsView(
        kind=each.kind,
        number=each.number,
        item=each.item,
        unit=each.unit,
        billed=format(each.billed.normalize(), "f"),
        received=plain(each.received),
        accepted=plain(each.accepted),
        enough=each.enough,
    )


def fingerprints(found: Fingerprints) -> FingerprintsView:
    """All fingerprints with their proofs."""
    return FingerprintsView(
        key_set=found.key_set,
        fingerprints=[
            FingerprintView(value=each.value, key=each.key, identity=each.identity, proof=each.proof)
            for each in found.items
        ],
    )
