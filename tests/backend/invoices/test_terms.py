"""Due dates out of words: found where the words are plain, left alone where they are not."""

from datetime import date, timedelta

import pytest

from backend.invoices.terms import derive

ISSUED = date(2026, 1, 31)


def days(count: int) -> date:
    return ISSUED + timedelta(days=count)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("30 days net", days(30)),
        ("Net 60 Days", days(60)),
        ("30D", days(30)),
        ("Zahlbar innerhalb von 14 Tagen", days(14)),
        ("14 Tage", days(14)),
        ("30 dagar netto. Dröjsmålsränta 12 %", days(30)),
        ("Graag betalen binnen 30 dagen netto.", days(30)),
        ("PAIEMENT 30 JOURS NET", days(30)),
        ("pagamento a 45 dias", days(45)),
        ("Pagamento a 60 giorni", days(60)),
        ("Pago a 90 días", days(90)),
        ("Betaling innen 20 dager", days(20)),
        ("Termin płatności 21 dni", days(21)),
        ("Fatura tarihinden itibaren 20 gün içerisinde", days(20)),
        ("收到发票后30天内付款", days(30)),
        ("within 2 weeks", days(14)),
        ("Please pay within a day", days(1)),
        ("Within a week", days(7)),
        ("within 1 month", date(2026, 2, 28)),
        ("#SKONTO#TAGE=7#PROZENT=2.00#\n#SKONTO#TAGE=30#PROZENT=0.00#\n", days(30)),
        ("10 Tage 3% Skonto, 30 Tage netto", days(30)),
        ("2% 10 Tage, Netto 30 Tage", days(30)),
        ("30 Tage netto bis 04.04.2026, 3% Skonto innerhalb 10 Tagen bis 15.03.2026", date(2026, 4, 4)),
        ("Bitte überweisen Sie bis zum 24.02.2026 auf das unten aufgeführte Konto.", date(2026, 2, 24)),
        ("Remit until 2026-07-01", date(2026, 7, 1)),
        ("Graag betalen voor 1 mei 2026", date(2026, 5, 1)),
        ("Paiement sans escompte avant le 09.12.2026", date(2026, 12, 9)),
        ("请于2026年3月15日前付款", date(2026, 3, 15)),
        ("Zahlbar sofort ohne Abzug.", ISSUED),
        ("Payment due on receipt", ISSUED),
        ("à réception de facture", ISSUED),
    ],
)  # fmt: skip
def test_plain_words(terms: str, expected: date) -> None:
    found = derive(terms, ISSUED)

    assert found is not None
    assert found[0] == expected
    assert found[1].split()[0] in terms


@pytest.mark.parametrize(
    "terms",
    [
        None,
        "",
        "As per contract",
        "Payment within 10 days, 2% discount",
        "Bei Zahlungen binnen 14 Tagen, 2% Skonto",
        "2 % discount if paid within 2 days",
        "60 days from BL date",
        "end of current month + 30 days",
        "50% prepaid, 50% within one month",
        "Refund within 14 days",
        "月末締め翌月20日払い",
        "Late fees of 1% charged from due date",
        "Bis zum 30.02.2026",
        "payable by 01.01.2020",
        "TP02#60",
        "Invoice 30 dated",
    ],
)
def test_words_that_do_not_say_it_plainly(terms: str | None) -> None:
    assert derive(terms, ISSUED) is None


def test_without_an_issue_date_nothing_is_counted() -> None:
    assert derive("30 days", None) is None


def test_a_text_made_to_take_long() -> None:
    assert derive("1" * 100_000 + " days " + "% , " * 100_000, ISSUED) is None
