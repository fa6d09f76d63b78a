"""Whatever a file holds, it is read or refused with a sentence: damaged files, the same ones each time."""

import random
import re
from datetime import date

import pytest

from backend.invoices import codec, summary, uniqueness
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import Facts, judge
from backend.invoices.model import Invoice
from backend.invoices.reading import read
from backend.invoices.validation.check import validate
from tests.backend.invoices import samples

SEEDS = [path.read_bytes() for path in sorted(samples.FOLDER.iterdir())]
JUNK = [
    b"", b"1e99", b"-1", b"9" * 39, b"0x1", b"NaN", b"\xff", b"&lt;", b"2026-13-45", b"9999-12-31",
    b"0001-01-01", b"<a/>", b"null", b"[]", b"{}", b"JPY", b"\0", "٣".encode(), b"within 999 months",
    b"31.12.9999", b"365 days",
]  # fmt: skip
VALUES = re.compile(rb'(?<=>)[^<>]{1,60}(?=<)|(?<=": )"?[^,"}\]]{1,40}"?|(?<=,)[^,\n]{1,30}')


def damaged(chance: random.Random) -> bytes:
    """A sample with a few bytes lost, doubled or changed, or a few values replaced by nonsense."""
    document = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(1, 5)):
        start = chance.randrange(len(document))
        match chance.randrange(5):
            case 0:
                document[start] = chance.randrange(256)
            case 1:
                del document[start : start + chance.randrange(1, 120)]
            case 2:
                document[start:start] = document[start : start + chance.randrange(300)]
            case _ if spots := list(VALUES.finditer(document)):
                spot = chance.choice(spots)
                document[spot.start() : spot.end()] = chance.choice(JUNK)
    return bytes(document)


def use(invoice: Invoice, data: bytes) -> None:
    """All that is done with an invoice afterwards."""
    validation = validate(invoice, None)
    judgement = judge(invoice, validation, Facts(today=date(2026, 11, 20)))
    assert codec.dump(codec.load(codec.dump(invoice))) == codec.dump(invoice)
    assert codec.load_validation(codec.dump_validation(validation)).outcome is validation.outcome
    summary.fields(invoice)
    summary.validation(validation, "zh")
    summary.financeable(judgement, "zh")
    if invoice.issue_date and invoice.number and any(letter.isalnum() for letter in invoice.number):
        assert uniqueness.tokens(invoice, data, ("TAX:DE:1",), "TAX:DE:2", bytes(32))


@pytest.mark.parametrize("seed", range(8))
def test_no_file_brings_it_down(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same files each time
    was_read, sentences = 0, {"-"}
    for _ in range(60):
        data = damaged(chance)
        try:
            invoice = read(data)
        except Unreadable as refusal:
            sentences |= {refusal.sentence("en"), refusal.sentence("zh")}
            continue
        use(invoice, data)
        was_read += 1
    assert was_read
    assert all(sentences)
