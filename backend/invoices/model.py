"""One invoice, whatever format it came in: the business terms (BT) and groups (BG) of EN 16931-1:2017.

Values are as the file states them, trimmed of white space and nothing else; what is derived says so. Document
totals are integers of the currency's minor unit (ISO 4217); quantities, unit prices and line amounts keep
their decimals. Nothing here believes the file: matching parties and judging the invoice happen elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Format(StrEnum):
    """The syntax an invoice was read from, found by content."""

    UBL_INVOICE = "ubl-invoice"
    UBL_CREDIT_NOTE = "ubl-credit-note"
    CII = "cii"
    ZUGFERD_1 = "zugferd-1"
    FACTUR_X = "factur-x"
    FAPIAO_XML = "fapiao-xml"
    FAPIAO_OFD = "fapiao-ofd"
    INV_01 = "inv-01"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


class DueDateSource(StrEnum):
    """Where the due date comes from. Only the first and the last are good enough to finance on."""

    STATED = "stated"
    """The file's own due date (BT-9)."""
    DERIVED = "derived"
    """Worked out from the words of the payment terms (BT-20); the buyer has to confirm it."""
    TO_BE_CONFIRMED = "to-be-confirmed"
    """The file gives none; the buyer has to name it."""
    CONFIRMED = "confirmed"
    """Named or confirmed by the buyer."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier and the scheme that gave it: `VAT`, `FC`, `GST`, `0088` (ISO/IEC 6523), or empty."""

    value: str
    scheme: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Seller (BG-4), buyer (BG-7) or payee (BG-10)."""

    name: str | None = None
    """BT-27, BT-44, BT-59: the name the party is registered under."""
    trading_name: str | None = None
    """BT-28, BT-45."""
    tax: tuple[Identifier, ...] = ()
    """BT-31, BT-32, BT-48 and whatever else the file gives as tax numbers, each with its tax scheme."""
    legal: Identifier | None = None
    """BT-30, BT-47, BT-61: legal registration."""
    others: tuple[Identifier, ...] = ()
    """BT-29, BT-46, BT-60: further identifiers, GLN among them."""
    endpoint: Identifier | None = None
    """BT-34, BT-49: electronic address."""
    country: str | None = None
    """BT-40, BT-55: ISO 3166-1 alpha-2."""
    address: str | None = None
    """BG-5, BG-8 on one line, for a reader's eye."""

    @property
    def vat(self) -> str | None:
        """The tax number the party goes by: the one under scheme VAT, else the first of another scheme."""
        for identifier in self.tax:
            if identifier.scheme == "VAT":
                return identifier.value
        return self.tax[0].value if self.tax else None

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """Everything that names the party, tax numbers first."""
        legal = (self.legal,) if self.legal else ()
        endpoint = (self.endpoint,) if self.endpoint else ()
        return (*self.tax, *legal, *self.others, *endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """BG-22, integers of the currency's minor unit; None where the file is silent or not exact."""

    lines: int | None = None
    """BT-106: sum of the lines' net amounts."""
    allowances: int | None = None
    """BT-107."""
    charges: int | None = None
    """BT-108."""
    net: int | None = None
    """BT-109: without tax."""
    tax: int | None = None
    """BT-110: tax, in the invoice currency."""
    gross: int | None = None
    """BT-112: with tax."""
    prepaid: int | None = None
    """BT-113."""
    rounding: int | None = None
    """BT-114."""
    payable: int | None = None
    """BT-115: what is left to pay. The type of the document, not the sign, says who owes whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """BG-23: the tax of one category and rate, in minor units."""

    category: str | None = None
    """BT-118: UNTDID 5305."""
    rate: Decimal | None = None
    """BT-119: percent."""
    base: int | None = None
    """BT-116."""
    amount: int | None = None
    """BT-117."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """BG-25: what was sold."""

    id: str | None = None
    """BT-126."""
    name: str | None = None
    """BT-153."""
    gtin: str | None = None
    """BT-157 where its scheme is 0160 (GS1), or the lot's digits."""
    seller_item: str | None = None
    """BT-155."""
    buyer_item: str | None = None
    """BT-156."""
    quantity: Decimal | None = None
    """BT-129."""
    unit: str | None = None
    """BT-130: UN/ECE Recommendation 20 or 21."""
    net: Decimal | None = None
    """BT-131."""
    price: Decimal | None = None
    """BT-146: net price of one unit, or of `price_quantity` units."""
    price_quantity: Decimal | None = None
    """BT-149."""
    allowances: Decimal = Decimal(0)
    """BT-136: sum of the line's allowances."""
    charges: Decimal = Decimal(0)
    """BT-141: sum of the line's charges."""
    origin: str | None = None
    """BT-159: country of origin."""
    order: str | None = None
    """The order this line answers to, where each line names its own."""
    order_line: str | None = None
    """BT-132."""
    despatch: str | None = None
    receipt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preceding:
    """BG-3: an invoice this one corrects, credits or follows."""

    number: str
    """BT-25."""
    issue_date: date | None = None
    """BT-26."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What ties the invoice to the order and to the goods."""

    buyer: str | None = None
    """BT-10."""
    project: str | None = None
    """BT-11."""
    contract: str | None = None
    """BT-12."""
    order: str | None = None
    """BT-13: the buyer's order."""
    sales_order: str | None = None
    """BT-14."""
    receipt: str | None = None
    """BT-15: receiving advice."""
    despatch: str | None = None
    """BT-16: despatch advice."""
    preceding: tuple[Preceding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """BG-24: a supporting document. `content` is what was embedded (BT-125), whatever it claims to be."""

    name: str | None = None
    media_type: str | None = None
    content: bytes | None = field(default=None, repr=False)
    link: str | None = None
    """BT-124. Never followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDate:
    """BT-9 and how far it can be relied on. `wording` is the text it was derived from."""

    day: date | None = None
    source: DueDateSource = DueDateSource.TO_BE_CONFIRMED
    wording: str | None = None
    instalments: tuple[date, ...] = ()
    """All dates, when the file states several: the invoice is then due in parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something that could not be taken as it stands. `place` is a business term, `code` in messages.toml."""

    code: str
    place: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice or credit note as the file states it."""

    format: Format
    number: str | None
    """BT-1."""
    type: str | None
    """BT-3: UNTDID 1001, such as 380 invoice, 381 credit note, 384 corrected, 389 self-billed."""
    issue_date: date | None
    """BT-2."""
    due: DueDate
    currency: str | None
    """BT-5: ISO 4217."""
    totals: Totals
    seller: Party
    buyer: Party
    payee: Party | None = None
    """BG-10: who is to be paid, where it is not the seller."""
    references: References = References()
    lines: tuple[Line, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    terms: str | None = None
    """BT-20."""
    notes: tuple[str, ...] = ()
    """BT-22."""
    specification: str | None = None
    """BT-24: the rules the sender says it followed. A claim, not a fact."""
    process: str | None = None
    """BT-23."""
    delivery_date: date | None = None
    """BT-72."""
    accounts: tuple[str, ...] = ()
    """BT-84: where to pay."""
    tax_currency: str | None = None
    """BT-6."""
    registry_number: str | None = None
    """A number the tax authority gave the document: India's IRN, China's code and number."""
    signature: str | None = None
    """Of India's portals: `not-checked`, `wrong`, or `verified` and the key's id; None without one."""
    attachments: tuple[Attachment, ...] = ()
    issues: tuple[Issue, ...] = ()

    @property
    def documents(self) -> dict[str, list[str]]:
        """Numbers of the documents that tie it to its goods, by CBV type: po, desadv, recadv, inv."""
        named = self.references
        found = {
            "po": [named.order, *(line.order for line in self.lines)],
            "desadv": [named.despatch, *(line.despatch for line in self.lines)],
            "recadv": [named.receipt, *(line.receipt for line in self.lines)],
            "inv": [self.number],
        }
        return {kind: list(dict.fromkeys(filter(None, numbers))) for kind, numbers in found.items()}
