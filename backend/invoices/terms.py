"""A due date out of the words of the payment terms (BT-20), where the file gives no date of its own.

Three invoices in ten have their due date only in words. What is found here is *derived*: shown to the buyer,
who confirms it or names another, and never relied on before that. Where the words can be read in two ways
(days after a bill of lading, end of month, payment in parts) nothing is derived.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta

# Structured discount steps of XRechnung (KoSIT, XRechnung 3.0, BR-DE-18). The longest step ends the term.
_SKONTO = re.compile(r"#SKONTO#TAGE=(\d{1,3})#PROZENT=\d+\.\d+#", re.IGNORECASE)

_NUMBER = r"(?P<n>\d{1,3}|one|a|an|ein|einem|einer|un|une|una|uno|een|en|ett|et)"
_DAY = (
    r"(?:tage?n?|days?|jours?|dage?n?|dagars?|dager|giorni|giorno|gg|d[ií]as?|dni|dniach|päivä[äa]?|pv|gün"
    r"|zile|dn[íůi]|nap|天)"
)
_WEEK = (
    r"(?:wochen?|weeks?|semaines?|weken|settiman[ae]|semanas?|vecko[r]?|uger?|uker?|tygodni[ea]?|viikko[a]?)"
)
_MONTH = (
    r"(?:calendar months?|months?|monate?n?|mois|maand(?:en)?|mes[ei]|meses|mes|mês|månad(?:er)?|måned(?:er)?"
    r"|miesi[ąa]c[ea]?|kuukau(?:si|tta))"
)
_PERIOD = re.compile(
    rf"(?<![A-Za-z0-9.,#=/-]){_NUMBER}\s*"
    rf"(?:(?P<day>{_DAY}|日(?:内|以内)|(?-i:[DT])(?=\W|$))"
    rf"|(?P<week>{_WEEK})|(?P<month>{_MONTH}))(?![a-z'])",
    re.IGNORECASE,
)
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[./](\d{1,2})[./](\d{4})(?!\d)")
_CHINESE_DATE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日")
_NAMED_DATE = re.compile(r"(?<!\d)(\d{1,2})\.?\s*(?:de\s+)?([^\W\d]{3,12})\.?\s+(?:de\s+)?(\d{4})(?!\d)")
_MONTHS = (
    ("jan", "gen", "ene", "sty"), ("feb", "fév", "fev", "lut", "hel"), ("mar", "mär", "mrt", "maa"),
    ("apr", "avr", "abr", "kwi", "huh"), ("may", "mai", "mei", "mag", "maj", "tou"),
    ("jun", "juin", "giu", "cze", "kes"), ("jul", "juil", "lug", "lip", "hei"),
    ("aug", "aoû", "ago", "sie", "elo"), ("sep", "set", "wrz", "syy"),
    ("oct", "okt", "ott", "out", "paź", "lok"), ("nov", "lis"), ("dec", "dez", "déc", "dic", "gru", "jou"),
)  # fmt: skip

_NO_DISCOUNT = re.compile(
    r"\b(?:ohne|sans|without|no|zonder|senza|sin|sem|utan|uden|uten|bez|ilman)\s+(?:jegliche[nr]?\s+|any\s+)?"
    r"(?:abz[uü]ge?|abschl[aä]ge?|skonto|escompte|discount|deductions?|korting|sconto|descuento|desconto"
    r"|rabatt?u?|alennusta)",
    re.IGNORECASE,
)
_DISCOUNT = re.compile(
    r"skonto|abzug|discount|escompte|korting|sconto|descuento|desconto|rabatt?|alennus|折扣"
    r"|(?<!\d)(?!100)\d[\d.,]*\s*%|%\s*\d",
    re.IGNORECASE,
)
_NET = re.compile(r"\b(?:netto|net|nets?)\b|#SKONTO#", re.IGNORECASE)
# Words that tie a period or a date to something other than this payment falling due.
_OTHER = re.compile(
    r"\b(?:refund|retention|penalt\w*|late|overdue|interest|b/?l|lading|delivery|lieferung|livraison|shipment"
    r"|end of|month end|eom|fin de mois|fine mese|monatsende|fin de mes|einde maand|monatlich|monthly"
    r"|mahn\w*|verzug\w*|dröjsm\w*|påminnelse\w*|förskott\w*|policy|erstatte[tn]|gutgeschrieben"
    r"|Teilleistung)\b|月末",
    re.IGNORECASE,
)
_AT_ONCE = re.compile(
    r"\b(?:sofort|immediate(?:ly)?|instant payment|(?:on|upon) (?:receipt|presentation|demand)|at sight"
    r"|due now|(?:à|a) r[ée]ception|comptant|(?:al )?contado|per direct|direct te betalen|omg[aå]ende"
    r"|[aà] vista|natychmiast|heti|straks)\b|立即|即付",
    re.IGNORECASE,
)
_CLAUSES = re.compile(r"[;\n]|,(?!\d)|\.(?=\s|$)|\)\.")
_LONGEST = timedelta(days=731)
_MAX_TEXT = 4_000


def derive(terms: str | None, issued: date | None) -> tuple[date, str] | None:
    """The day the whole amount falls due and the words that say so; None where they do not say it plainly.

    A date wins over a period, a period (counted from `issued`) over "at once". Where several remain the last
    one counts, since terms list discounts first.
    """
    if not terms or issued is None:
        return None
    terms = terms[:_MAX_TEXT]
    if steps := [int(step) for step in _SKONTO.findall(terms)]:
        return issued + timedelta(days=max(steps)), terms
    clauses = list(_payment_clauses(_NO_DISCOUNT.sub("", terms)))
    dated = [
        (day, clause) for clause in clauses for day in _dates(clause) if issued <= day <= issued + _LONGEST
    ]
    periods = [(day, clause) for clause in clauses for day in _periods(clause, issued)]
    at_once = [(issued, clause) for clause in clauses if _AT_ONCE.search(clause)]
    for found in (dated, periods, at_once):
        if found:
            day, clause = max(found, key=lambda entry: entry[0])
            return day, " ".join(clause.split())
    return None


def _payment_clauses(terms: str) -> Iterator[str]:
    """The parts of the sentence that speak of the full payment, not those about discounts or penalties."""
    clauses = [clause for clause in _CLAUSES.split(terms) if clause and clause.strip()]
    for position, clause in enumerate(clauses):
        following = clauses[position + 1] if position + 1 < len(clauses) else ""
        # "within 10 days, 2% discount": the discount belongs to the period before it.
        trailing = _DISCOUNT.search(following) and not _has_term(following) and not _NET.search(clause)
        if not (_OTHER.search(clause) or _DISCOUNT.search(clause) or trailing):
            yield clause


def _has_term(clause: str) -> bool:
    return bool(_PERIOD.search(clause)) or any(True for _ in _dates(clause)) or bool(_OTHER.search(clause))


def _dates(clause: str) -> Iterator[date]:
    """Every day written out in the clause. Numbers with dots or slashes are read day first."""
    for pattern, order in ((_ISO_DATE, (1, 2, 3)), (_CHINESE_DATE, (1, 2, 3)), (_DAY_FIRST, (3, 2, 1))):
        for match in pattern.finditer(clause):
            yield from _day(*(int(match[group]) for group in order))
    for match in _NAMED_DATE.finditer(clause):
        for number, prefixes in enumerate(_MONTHS, start=1):
            if match[2].lower().startswith(prefixes):
                yield from _day(int(match[3]), number, int(match[1]))
                break


def _day(year: int, month: int, day: int) -> Iterator[date]:
    try:
        yield date(year, month, day)
    except ValueError:  # no such day: the words mean something else
        return


def _periods(clause: str, issued: date) -> Iterator[date]:
    for match in _PERIOD.finditer(clause):
        number = int(match["n"]) if match["n"].isdigit() else 1
        if match["month"]:
            yield _add_months(issued, number)
        elif number:
            yield issued + timedelta(days=number * (7 if match["week"] else 1))


def _add_months(start: date, months: int) -> date:
    """The same day `months` later, or that month's last day."""
    year, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + year, month + 1
    return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))
