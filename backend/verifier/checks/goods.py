"""The goods behind the claim, by the events about them: ordered, held, shipped, received, and how much."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote

from backend.verifier import epcis
from backend.verifier.checks import document, record
from backend.verifier.checks.record import Recorded
from backend.verifier.evidence import Evidence, Party
from backend.verifier.identifiers import DOMAIN
from backend.verifier.policy import Policy
from backend.verifier.references import transactions_meant
from backend.verifier.result import Ends, Finding, Word, cannot_tell, check, failed, not_applicable, passed

GROUP = "goods"

ORDERS, DESPATCHES, RECEIPTS, INVOICES = ("po", "poc"), ("desadv", "bol"), ("recadv",), ("inv",)

# CBV 2.0 section 7.1.
MADE = frozenset(["commissioning", "creating_class_instance", "assembling", "packing", "storing", "stocking"])
SHIPPED = frozenset(["shipping", "departing", "transporting", "loading", "staging_outbound"])
RECEIVED = frozenset(["receiving", "accepting", "arriving"])

PIECES = frozenset({"C62", "H87", "EA", "PCE", "XPP"})
# UN/ECE Recommendation 20: unit → (base unit, how many of it).
_UNITS = {
    "KGM": ("KGM", Decimal(1)),
    "GRM": ("KGM", Decimal("0.001")),
    "TNE": ("KGM", Decimal(1000)),
    "LTR": ("LTR", Decimal(1)),
    "MLT": ("LTR", Decimal("0.001")),
    "MTR": ("MTR", Decimal(1)),
    "CMT": ("MTR", Decimal("0.01")),
    "MMT": ("MTR", Decimal("0.001")),
}
_MILLION = 1_000_000
_LOGISTIC = f"{DOMAIN}/00/"

Goods: TypeAlias = tuple[str, str | None]
"""A class of goods, and the unit it is counted in (None for pieces)."""


def _meant(evidence: Evidence, kinds: tuple[str, ...], term: str) -> set[tuple[str, str]]:
    """(type, id) of the documents that the invoice may mean by the number in this term.

    By the same rule as on the server: with the GLNs of the party that numbers such documents.
    """
    number = document.field_of(evidence, term)
    if number is None:
        return set()
    said = evidence.statements
    glns = {"seller": _glns(said.supplier), "buyer": _glns(said.debtor)}
    return {(kind, each) for kind in kinds for each in transactions_meant(kind, number, glns)}


def _glns(party: Party | None) -> list[str]:
    named = party.identifiers if party is not None else ()
    return [each.removeprefix("gln:") for each in named if each.startswith("gln:")]


def _about(found: Iterable[Recorded], meant: set[tuple[str, str]]) -> list[Recorded]:
    """Events that name one of the documents."""
    return [recorded for recorded in found if recorded.view.transactions & meant]


@dataclass(frozen=True)
class Story:
    """The events that belong to the invoice, by the numbers it gives."""

    ordered: Sequence[Recorded]
    despatched: Sequence[Recorded]
    received: Sequence[Recorded]
    all: Sequence[Recorded]


@lru_cache(maxsize=4)
def story_of(evidence: Evidence) -> Story:
    found = record.events(evidence)
    ordered = _about(found, _meant(evidence, ORDERS, document.ORDER))
    despatched = _about(found, _meant(evidence, DESPATCHES, document.DESPATCH))
    receipt = _about(found, _meant(evidence, RECEIPTS, document.RECEIPT))
    tied = {id(each) for each in (*ordered, *despatched, *receipt)}
    tied |= {id(each) for each in _about(found, _meant(evidence, INVOICES, document.NUMBER))}
    if not tied:
        raise Ends(cannot_tell("verify.goods.untied", "/fields", "/log/events"))
    received = [each for each in found if id(each) in tied and each.view.step in RECEIVED]
    return Story(ordered, despatched, received, tuple(each for each in found if id(each) in tied))


def items_of(recorded: Recorded) -> frozenset[str]:
    """The single items and logistic units an event is about."""
    return recorded.view.items | frozenset(filter(None, [recorded.view.parent]))


def contents(evidence: Evidence, units: Iterable[str]) -> tuple[frozenset[str], bool]:
    """Units with what packing events say is in them; and whether of a logistic one nothing is said."""
    packed, found, waiting = _packed(evidence, None), set[str](), list(units)
    while waiting:
        item = waiting.pop()
        if item not in found:
            found.add(item)
            waiting += [child for packing in packed.get(item, ()) for child in packing.items]
    return frozenset(found), any(item.startswith(_LOGISTIC) and not packed.get(item) for item in found)


def _places(found: Iterable[Recorded]) -> tuple[str, ...]:
    return tuple(each.place for each in found)[:10]


@check("ordered", GROUP, goods=True)
def ordered(evidence: Evidence, _policy: Policy) -> Finding:
    """The debtor ordered what the invoice is for."""
    story = story_of(evidence)
    if not story.ordered:
        return cannot_tell("verify.ordered.none", "/log/events")
    by_buyer = [each for each in story.ordered if each.by(evidence.terms.debtor)]
    if by_buyer:
        return passed("verify.ordered.by-debtor", *_places(by_buyer)).by(Word.DEBTOR)
    return cannot_tell("verify.ordered.by-seller", *_places(story.ordered)).claimed(Word.SUPPLIER)


@check("held", GROUP, goods=True)
def held(evidence: Evidence, _policy: Policy) -> Finding:
    """The seller made the goods, or held them, before they were shipped."""
    story = story_of(evidence)
    goods = set().union(*(_names(each) for each in story.all))
    made = [
        each
        for each in record.events(evidence)
        if each.view.step in MADE and each.leaf.recorder == evidence.terms.supplier and _names(each) & goods
    ]
    if not made:
        return cannot_tell("verify.held.none", "/log/events")
    finding = passed("verify.held.by-seller", *_places(made))
    return finding.by(Word.SUPPLIER) if all(each.signed for each in made) else finding.claimed(Word.OPERATOR)


@check("shipped", GROUP, goods=True)
def shipped(evidence: Evidence, _policy: Policy) -> Finding:
    """The goods were shipped, before they were received."""
    story = story_of(evidence)
    gone = [each for each in story.all if each.view.step in SHIPPED]
    if not gone:
        return cannot_tell("verify.shipped.none", "/log/events")
    first = min(each.view.time for each in gone)
    if any(each.view.time < first for each in story.received):
        return failed("verify.shipped.after-receipt", *_places(gone))
    signed = [each for each in gone if each.signed]
    if not signed:
        return passed("verify.shipped.said", *_places(gone)).claimed(Word.OPERATOR)
    return passed("verify.shipped.signed", *_places(signed)).by(Word.RECORDER)


@check("received", GROUP, goods=True)
def received(evidence: Evidence, policy: Policy) -> Finding:
    """The debtor recorded that it received the goods, under its own key or one it appointed for that."""
    if policy.title_at_shipment:
        return not_applicable("verify.received.title-passed")
    story = story_of(evidence)
    if not story.received:
        return cannot_tell("verify.received.none", "/log/events")
    by_buyer = [each for each in story.received if each.by(evidence.terms.debtor)]
    if by_buyer:
        return passed("verify.received.by-debtor", *_places(by_buyer)).by(Word.DEBTOR)
    if any(each.leaf.recorder == evidence.terms.debtor for each in story.received):
        return cannot_tell("verify.received.unsigned", *_places(story.received)).claimed(Word.OPERATOR)
    return cannot_tell("verify.received.by-others", *_places(story.received)).claimed(Word.RECORDER)


@check("match", GROUP, goods=True)
def match(evidence: Evidence, _policy: Policy) -> Finding:
    """Order, despatch, receipt and invoice name one another by the numbers on the invoice."""
    story = story_of(evidence)
    missing = [
        name
        for name, found in (
            ("order", story.ordered),
            ("despatch", story.despatched),
            ("receipt", story.received),
        )
        if not found
    ]
    if missing:
        return cannot_tell("verify.match.missing", "/log/events", missing=", ".join(missing))
    return passed("verify.match.all", *_places(story.all)).by(Word.RECORDER)


@check("quantities", GROUP, goods=True)
def quantities(evidence: Evidence, policy: Policy) -> Finding:
    """What the debtor received is what the invoice bills, item by item, within the tolerance.

    Where title passes at shipment, what somebody other than the seller signed for when it was handed over.
    """
    billed = _billed(evidence)
    arrived = delivered(evidence, policy)
    for goods, amount in billed.items():
        got = arrived[goods]
        if got * _MILLION < amount * (_MILLION - policy.quantity_tolerance):
            return failed(
                "verify.quantities.short",
                "/log/events",
                item=goods[0],
                billed=_plain(amount),
                received=_plain(got),
            )
    if policy.title_at_shipment:
        return passed("verify.quantities.shipped", "/log/events", items=len(billed)).by(Word.RECORDER)
    finding = passed("verify.quantities.enough", "/log/events", items=len(billed))
    unaided = delivered(evidence, policy, packed_by=evidence.terms.debtor)
    if any(unaided[goods] < arrived[goods] for goods in billed):
        return finding.by(Word.DEBTOR, Word.RECORDER)  # what was in the units it took is the packers' word
    return finding.by(Word.DEBTOR)


@check("not-behind-others", GROUP, goods=True)
def not_behind_others(evidence: Evidence, _policy: Policy) -> Finding:
    """The same delivery does not stand behind other invoices beyond its quantity."""
    if document.field_of(evidence, document.NUMBER) is None:
        return cannot_tell("verify.document.hidden", "/fields", fields=document.NUMBER)
    named = {each for recorded in story_of(evidence).all for each in recorded.view.transactions}
    others = {each for each in named if each[0] in INVOICES} - _meant(evidence, INVOICES, document.NUMBER)
    if others:
        numbers = sorted(unquote(value.rpartition(":")[2]) for _, value in others)
        return failed("verify.behind.others", "/log/events", numbers=", ".join(numbers))
    return cannot_tell("verify.behind.unknown", "/log/events").claimed(Word.OPERATOR)


@check("custody", GROUP, goods=True)
def custody(evidence: Evidence, _policy: Policy) -> Finding:
    """How much of the way from seller to debtor is covered by events, and by how many hands."""
    story = story_of(evidence)
    steps = {
        "made": any(each.view.step in MADE for each in record.events(evidence)),
        "shipped": any(each.view.step in SHIPPED for each in story.all),
        "received": bool(story.received),
    }
    hands = len({each.leaf.recorder for each in story.all if each.signed})
    score = sum(steps.values()) * 25 + (25 if hands > 1 else 0)
    finding = passed if score >= 50 else cannot_tell
    return finding("verify.custody.score", *_places(story.all), score=score, hands=hands).by(Word.RECORDER)


@check("cold-chain", GROUP, goods=True)
def cold_chain(evidence: Evidence, policy: Policy) -> Finding:
    """The goods stayed within the temperatures they need."""
    if policy.temperature is None:
        return not_applicable("verify.cold.not-needed")
    lowest, highest = (Decimal(limit) / 1000 for limit in policy.temperature)
    readings = [(each, value) for each in story_of(evidence).all for value in each.view.temperatures]
    if not readings:
        return cannot_tell("verify.cold.no-readings", "/log/events")
    for each, value in readings:
        if not lowest <= value <= highest:
            return failed("verify.cold.outside", each.place, value=_plain(value))
    if not record.is_complete(evidence, policy):
        return cannot_tell("verify.corrections.incomplete", "/log/map_answers")
    return passed("verify.cold.kept", *_places(each for each, _ in readings), count=len(readings)).by(
        Word.RECORDER
    )


def share_received(evidence: Evidence, policy: Policy) -> Fraction:
    """The least share of any billed item that is signed for, at most 1."""
    billed = _billed(evidence)
    arrived = delivered(evidence, policy)
    return min(Fraction(1), *(Fraction(arrived[item]) / Fraction(amount) for item, amount in billed.items()))


def _signed_for(evidence: Evidence, policy: Policy) -> list[Recorded]:
    """The events that count as delivery: the debtor's receipts, or what a carrier took over.

    One that its recorder brought twice, under two keys, counts once.
    """
    story = story_of(evidence)
    if policy.title_at_shipment:
        found = [each for each in story.all if each.view.step in SHIPPED and _is_another(evidence, each)]
    else:
        found = [each for each in story.received if each.by(evidence.terms.debtor)]
    return list({(each.leaf.recorder, replace(each.view, event_id=None)): each for each in found}.values())


def _is_another(evidence: Evidence, recorded: Recorded) -> bool:
    """Whether it is the signed word of somebody else than the seller, be it under another account of its own.

    That the hand behind another key is another's cannot be proved; that the same key acts for the seller can.
    """
    supplier = evidence.terms.supplier
    if not recorded.signed or recorded.leaf.recorder == supplier:
        return False
    return not any(grant.scopes for grant in evidence.ledger.grants(supplier, recorded.leaf.key_id))


def delivered(evidence: Evidence, policy: Policy, *, packed_by: bytes | None = None) -> Counter[Goods]:
    """Amounts by class and unit that were signed for.

    Arriving, receiving and accepting the same goods is one delivery, so the steps are not added up; within a
    step an item counts once, however often it is named. A logistic unit stands for what a packing event says
    is in it: one of somebody who had the goods in hand, or of `packed_by` alone.
    """
    packed = _packed(evidence, packed_by)
    steps: dict[str, Counter[Goods]] = {}
    seen: dict[str, set[str]] = {}
    for each in _signed_for(evidence, policy):
        total = steps.setdefault(each.view.step, Counter())
        _add_event(total, seen.setdefault(each.view.step, set()), each.view, packed)
    most: Counter[Goods] = Counter()
    for total in steps.values():
        most |= total
    return most


def _add_event(
    total: Counter[Goods], seen: set[str], view: epcis.EventView, packed: Mapping[str, list[epcis.EventView]]
) -> None:
    own = {quantity.item for quantity in view.quantities}
    for quantity in view.quantities:
        _add(total, quantity)
    waiting = [*view.items, view.parent]
    while waiting:
        item = waiting.pop()
        if item is None or item in seen:
            continue
        seen.add(item)
        inside = packed.get(item, [])
        waiting.extend(child for packing in inside for child in packing.items)
        for packing in inside:
            for quantity in packing.quantities:
                if quantity.item not in own:
                    _add(total, quantity)
        if not inside:
            _add(total, epcis.Quantity(epcis.item_class(item), Decimal(1), None))


@lru_cache(maxsize=8)
def _packed(evidence: Evidence, by: bytes | None) -> Mapping[str, list[epcis.EventView]]:
    """Packing events that count, by the logistic unit that was packed.

    A signed one of the seller, the debtor, or whoever had signed before for having made, shipped or received
    what it packed; anybody else's is a claim about goods it never had. With `by`, that account's only.
    """
    found: dict[str, list[epcis.EventView]] = {}
    held: dict[bytes, set[str]] = {}
    for each in sorted(record.events(evidence), key=lambda one: one.leaf.sequence):
        view, who = each.view, each.leaf.recorder
        packs = view.kind == "AggregationEvent" and view.action == "ADD" and view.parent
        party = who in {evidence.terms.supplier, evidence.terms.debtor}
        if packs and view.parent and each.signed and by in {None, who}:
            if party or _names(each) - {view.parent} & held.get(who, set()):
                found.setdefault(view.parent, []).append(view)
        elif each.signed and view.step in MADE | SHIPPED | RECEIVED:
            held.setdefault(who, set()).update(_names(each))
    return found


def _billed(evidence: Evidence) -> Counter[Goods]:
    """Quantities of the invoice's lines (BG-25) by class; ends the check where they are not shown."""
    total: Counter[Goods] = Counter()
    line = 0
    while (amount := document.field_of(evidence, f"BG-25/{line}/BT-129")) is not None:
        gtin = document.field_of(evidence, f"BG-25/{line}/BT-157")
        if gtin is None or not gtin.isdigit() or len(gtin) > 14:
            raise Ends(cannot_tell("verify.quantities.no-gtin", "/fields", line=line + 1))
        try:
            value = epcis.decimal(amount)
        except ValueError as error:
            raise Ends(failed("verify.amount.unreadable", "/fields", value=amount[:40])) from error
        unit = document.field_of(evidence, f"BG-25/{line}/BT-130")
        _add(total, epcis.Quantity(f"{DOMAIN}/01/{gtin.zfill(14)}", value, unit))
        line += 1
    complete = all(document.is_absent(evidence, f"BG-25/{line}/{term}") for term in ("BT-126", "BT-129"))
    if not total or min(total.values()) <= 0 or not complete:
        raise Ends(cannot_tell("verify.document.hidden", "/fields", fields="BG-25"))
    return total


def _add(total: Counter[Goods], quantity: epcis.Quantity) -> None:
    unit, factor = quantity.unit, Decimal(1)
    if unit is not None:
        unit, factor = (None, factor) if unit in PIECES else _UNITS.get(unit, (unit, factor))
    total[quantity.item, unit] += quantity.amount * factor  # type: ignore[assignment]


def _names(recorded: Recorded) -> set[str]:
    """Everything the event is about: items, and classes of items."""
    items = {*recorded.view.items, *filter(None, [recorded.view.parent])}
    return (
        items | {epcis.item_class(item) for item in items} | {each.item for each in recorded.view.quantities}
    )


def _plain(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
