"""Which tokens meet: the same invoice in any dress, and not the honest neighbour."""

import time
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.invoices import identity
from backend.invoices.model import Invoice, Line
from backend.invoices.reading import read
from backend.invoices.uniqueness import COMPARED, Kind, exceeds, tokens
from backend.kit.spelling import spelling
from bench import honest
from tests.backend.invoices import samples

KEY = b"k" * 32
SELLER = ("TAX:DE:999999911", "GLN:4000001000005")
BUYER = "TAX:DE:888888885"
INVOICE = read(samples.UBL)


def met(other: Invoice, *, seller: tuple[str, ...] = SELLER, buyer: str | None = BUYER) -> set[Kind]:
    """The kinds of token, of those that are compared, that the sample and another invoice share."""
    compared = {Kind.E, *COMPARED}
    own = {
        token.value for token in tokens(INVOICE, samples.UBL, SELLER, BUYER, KEY) if token.kind in compared
    }
    return {token.kind for token in tokens(other, b"other bytes", seller, buyer, KEY) if token.value in own}


def test_the_same_invoice_as_ubl_and_as_cii_has_the_same_identity() -> None:
    other = read(samples.CII)

    assert identity.identities(INVOICE, SELLER) == identity.identities(other, SELLER)
    assert met(other) == {Kind.E, Kind.A, Kind.F, Kind.P, Kind.D}


@pytest.mark.parametrize(
    "number",
    [
        "et-2026/0117",
        " ET 2026 0117 ",
        "ET–2026–0117",
        "ＥＴ－２０２６／０１１７",
        "ET-2026/\u200b0117",
        "ET_2026.0117",
    ],
)
def test_spelling_makes_no_other_invoice(number: str) -> None:
    assert Kind.E in met(replace(INVOICE, number=number))


@pytest.mark.parametrize("number", ["1-11", "11-1", "111"])
def test_a_separator_between_digits_tells_numbers_apart(number: str) -> None:
    """1-11 and 11-1 are two honest invoices: they may be looked at, never blocked."""
    others = {"1-11", "11-1", "111"} - {number}

    assert spelling(number) not in {spelling(other) for other in others}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"number": "ET20260117"}, Kind.F),
        ({"number": "ET-2026/00117"}, Kind.F),
        ({"number": "ET-2026/117"}, Kind.F),
        ({"number": "ET-2O26/0117"}, Kind.F),
        ({"number": "ET-2026/OI17"}, Kind.F),
        ({"number": "ЕТ-2026/0117"}, Kind.F),
        ({"number": "ΕΤ-2026/0117"}, Kind.F),
        ({"number": "ET-2026/0117-A"}, Kind.A),
        ({"number": "QX-9"}, Kind.A),
        ({"issue_date": date(2026, 11, 3)}, Kind.E),
        ({"issue_date": date(2027, 11, 2)}, Kind.F),
        ({"totals": replace(INVOICE.totals, gross=594942, payable=594942)}, Kind.E),
        ({"number": "QX-9", "issue_date": date(2026, 11, 4)}, Kind.P),
        ({"number": "QX-9", "totals": replace(INVOICE.totals, gross=594942)}, Kind.D),
    ],
)
def test_each_change_is_caught_by_some_token(change: dict[str, object], kind: Kind) -> None:
    assert kind in met(replace(INVOICE, **change))  # type: ignore[arg-type]


def test_same_bytes() -> None:
    first, second = (tokens(INVOICE, samples.UBL, SELLER, BUYER, KEY) for _ in range(2))

    assert first == second
    assert [token.kind for token in first].count(Kind.X) == 1


def test_another_sellers_number_is_no_business_of_ours() -> None:
    bare = replace(INVOICE, references=replace(INVOICE.references, order=None, despatch=None, receipt=None))

    assert met(bare, seller=("TAX:DE:777777708",)) == set()


def test_another_key_shows_nothing() -> None:
    one = {token.value for token in tokens(INVOICE, b"", SELLER, BUYER, b"1" * 32)}
    two = {token.value for token in tokens(INVOICE, b"", SELLER, BUYER, b"2" * 32)}

    assert not one & two


def test_one_identity_for_each_identifier_of_the_seller() -> None:
    kinds = [token.kind for token in tokens(INVOICE, b"", SELLER, BUYER, KEY)]

    assert kinds.count(Kind.E) == 2


def test_equal_monthly_calls_on_one_order_pass() -> None:
    june = replace(
        INVOICE, number="A-1", references=replace(INVOICE.references, despatch="DN-1", receipt=None)
    )
    july = replace(
        june,
        number="A-2",
        issue_date=june.issue_date and june.issue_date + timedelta(days=30),
        references=replace(june.references, despatch="DN-2"),
    )
    own = {token.value for token in tokens(june, b"1", SELLER, BUYER, KEY)}

    assert not [token for token in tokens(july, b"2", SELLER, BUYER, KEY) if token.value in own]


@pytest.mark.parametrize("order", ["NA", "n/a", "Dummywert", "none", "-", "ohne"])
def test_a_placeholder_is_no_order(order: str) -> None:
    assert identity.reference(order) is None


def quantities(**items: int) -> dict[str, Decimal]:
    return {item: Decimal(quantity) for item, quantity in items.items()}


@pytest.mark.parametrize(
    ("own", "others", "delivered", "too_much"),
    [
        (quantities(a=40), [], None, False),
        (quantities(a=40), [quantities(b=40)], None, False),
        (quantities(a=40), [quantities(a=1)], None, True),
        (quantities(), [quantities(a=1)], None, True),
        (quantities(a=1), [quantities()], None, True),
        (quantities(a=20), [quantities(a=20)], quantities(a=40), False),
        (quantities(a=21), [quantities(a=20)], quantities(a=40), True),
        (quantities(a=41), [], quantities(a=40), True),
    ],
)
def test_one_delivery_backs_what_it_brought(
    own: dict[str, Decimal],
    others: list[dict[str, Decimal]],
    delivered: dict[str, Decimal] | None,
    too_much: bool,
) -> None:
    assert exceeds(own, others, delivered) is too_much


@given(st.text(max_size=40))
def test_spelling_is_stable_and_holds_only_letters_digits_and_dashes(text: str) -> None:
    spelled = spelling(text)

    assert spelling(spelled) == spelled
    assert all(character.isalnum() or character == "-" for character in spelled)
    assert "|" not in spelled


def test_honest_sellers_are_never_blocked_and_seldom_held() -> None:
    """The full measure is `python -m bench.honest`: 100,000 invoices."""
    found = honest.alarms(3_000)

    assert found[Kind.E] == 0
    assert found["held"] <= 15


def test_a_delivery_of_its_own_on_every_line_takes_no_longer_than_the_lines_do() -> None:
    def seconds(count: int) -> float:
        lines = tuple(
            Line(id=str(n), seller_item=str(n), quantity=Decimal(1), despatch=f"D{n}", receipt=f"R{n}")
            for n in range(count)
        )
        started = time.process_time()
        found = tokens(replace(INVOICE, lines=lines), b"", SELLER, BUYER, KEY)
        assert sum(token.kind is Kind.D for token in found) == 2 * count + 2
        return time.process_time() - started

    seconds(10)
    assert seconds(4_000) < 60 * seconds(200)
