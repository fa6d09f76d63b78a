"""False alarms: `python -m bench.honest [COUNT]` brings invoices of honest sellers and counts what is held.

Sellers number in their own ways (with the year, restarting each year, padded or not, by branch, by month),
have standing orders with equal monthly amounts, several orders a day, prices that repeat, deliveries invoiced
in parts, and credit notes. Nobody brings anything twice. The wanted figures are 0 blocked and at most 0.5 %
held.
"""

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from backend.invoices.model import DueDate, Format, Invoice, Line, Party, References, Totals
from backend.invoices.uniqueness import COMPARED, Kind, exceeds, tokens
from bench.figures import keep

KEY = bytes(32)
START = date(2025, 1, 1)
NUMBERINGS = (
    "{day.year}-{in_year:05d}",
    "RE{total:06d}",
    "INV-{total}",
    "{in_year}/{day.year}",
    "{in_year}",
    "{day.year}-{day.month}-{in_year}",
    "{branch}-{total:04d}",
    "{day:%y%m}{in_year:04d}",
    "A{book}/{page}",
)


@dataclass
class Seller:
    """An honest seller: its numbering, its customers, its prices."""

    name: str
    numbering: str
    buyers: list[str]
    prices: list[int]
    total: int = 0
    in_year: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def number(self, day: date) -> str:
        self.total += 1
        self.in_year[day.year] += 1
        return self.numbering.format(
            day=day,
            total=self.total,
            in_year=self.in_year[day.year],
            branch="BSO"[self.total % 3],
            book=self.total // 1000,
            page=self.total % 1000,
        )


def invoices(count: int, seed: int = 1) -> Iterator[tuple[str, str, Invoice]]:
    """Seller, buyer and invoice, in order of time over two years."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    sellers = [
        Seller(
            f"TAX:DE:{number:09d}",
            NUMBERINGS[number % len(NUMBERINGS)],
            [f"TAX:DE:9{chance.randrange(400):08d}" for _ in range(chance.randrange(2, 25))],
            [chance.randrange(500, 900_000) for _ in range(chance.randrange(3, 60))],
        )
        for number in range(max(5, count // 250))
    ]
    orders, deliveries = Counter[str](), Counter[str]()
    for position in range(count):
        day = START + timedelta(days=position * 730 // count)
        seller = chance.choice(sellers)
        buyer = chance.choice(seller.buyers)
        yield seller.name, buyer, _invoice(chance, seller, buyer, day, orders, deliveries)


def _invoice(
    chance: random.Random,
    seller: Seller,
    buyer: str,
    day: date,
    orders: Counter[str],
    deliveries: Counter[str],
) -> Invoice:
    standing = chance.random() < 0.2  # a standing order: the same order and amount each time
    if standing:
        order, gross = f"SO-{seller.buyers.index(buyer)}", seller.prices[0]
    else:
        orders[buyer] += 1
        order = f"PO-{orders[buyer]}"
        gross = chance.choice(seller.prices) * chance.randrange(1, 40)
    despatch = None
    if chance.random() < 0.5:
        deliveries[seller.name] += 1
        despatch = f"DN-{deliveries[seller.name]}"
    item = f"item-{chance.randrange(30)}"
    is_credit = chance.random() < 0.03
    return Invoice(
        format=Format.UBL_INVOICE,
        number=seller.number(day),
        type="381" if is_credit else "380",
        issue_date=day,
        due=DueDate(),
        currency="EUR",
        totals=Totals(gross=gross, payable=gross),
        seller=Party(name=seller.name),
        buyer=Party(name=buyer),
        references=References(order=order if chance.random() < 0.6 else None, despatch=despatch),
        lines=(Line(seller_item=item, quantity=Decimal(chance.randrange(1, 50))),),
        delivery_date=day - timedelta(days=chance.randrange(5)) if chance.random() < 0.5 else None,
    )


def alarms(count: int) -> Counter[str]:
    """How many invoices met which kind of token, and how many were held by any."""
    known: dict[str, list[Mapping[str, Decimal]]] = defaultdict(list)
    met: Counter[str] = Counter()
    for position, (seller, buyer, invoice) in enumerate(invoices(count)):
        own = tokens(invoice, str(position).encode(), [seller], buyer, KEY)
        kinds = set()
        for token in own:
            others = known[token.value] if token.kind in (Kind.E, *COMPARED) else []
            if others and (token.kind is not Kind.D or exceeds(token.items, others)):
                kinds.add(token.kind)
        for token in own:
            known[token.value].append(token.items)
        met.update(kinds)
        met["held"] += bool(kinds - {Kind.E})
    return met


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    found = alarms(size)
    figures = {"invoices": size, "blocked": found[Kind.E], "held": found["held"]}
    keep("honest sellers", figures | {f"held by {kind}": found[kind] for kind in COMPARED})
