"""Units of measure (UN/ECE Recommendation 20, the common codes) and exact conversion between kin."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

PIECES: Final = frozenset({"H87", "C62", "EA", "PCE"})
"""Codes that count things. No unit at all means the same."""

_SCALES: Final[dict[str, dict[str, Fraction]]] = {
    "mass": {
        "KGM": Fraction(1),
        "GRM": Fraction(1, 1000),
        "MGM": Fraction(1, 1_000_000),
        "TNE": Fraction(1000),
        "LBR": Fraction(45359237, 100_000_000),
        "ONZ": Fraction(45359237, 1_600_000_000),
    },
    "length": {
        "MTR": Fraction(1),
        "CMT": Fraction(1, 100),
        "MMT": Fraction(1, 1000),
        "KMT": Fraction(1000),
        "INH": Fraction(254, 10_000),
        "FOT": Fraction(3048, 10_000),
    },
    "area": {"MTK": Fraction(1), "CMK": Fraction(1, 10_000), "HAR": Fraction(10_000)},
    "volume": {
        "MTQ": Fraction(1),
        "LTR": Fraction(1, 1000),
        "MLT": Fraction(1, 1_000_000),
        "HLT": Fraction(1, 10),
    },
    "speed": {"MTS": Fraction(1), "KMH": Fraction(1000, 3600)},
    "time": {"SEC": Fraction(1), "MIN": Fraction(60), "HUR": Fraction(3600), "DAY": Fraction(86_400)},
    "pressure": {"PAL": Fraction(1), "KPA": Fraction(1000), "BAR": Fraction(100_000)},
    "pieces": {**dict.fromkeys(PIECES, Fraction(1)), "DZN": Fraction(12), "PR": Fraction(2)},
}
_KIN: Final = {code: (kin, factor) for kin, scale in _SCALES.items() for code, factor in scale.items()}

# Degrees start at different zeros: kelvin = (value + offset) × factor.
_DEGREES: Final = {
    "KEL": (Fraction(0), Fraction(1)),
    "CEL": (Fraction(27315, 100), Fraction(1)),
    "FAH": (Fraction(45967, 100), Fraction(5, 9)),
}


def convert(amount: Decimal, unit: str | None, wanted: str | None) -> Decimal | None:
    """The amount in another unit, or None when the two are not of one kind.

    Exact where a decimal fraction can hold it, else to 28 digits.
    """
    here, there = unit or "H87", wanted or "H87"
    if here == there:
        return amount
    if here in _DEGREES and there in _DEGREES:
        offset, factor = _DEGREES[here]
        kelvin = (Fraction(amount) + offset) * factor
        offset, factor = _DEGREES[there]
        return _decimal(kelvin / factor - offset)
    if here not in _KIN or there not in _KIN or _KIN[here][0] != _KIN[there][0]:
        return None
    return _decimal(Fraction(amount) * _KIN[here][1] / _KIN[there][1])


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
