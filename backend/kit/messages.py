"""Every text a person reads, in English and Chinese, looked up by code.

Each room keeps its texts in `backend/<room>/messages.toml`:

    [amount-too-small]
    en = "The amount {amount} is below the minimum of {minimum}."
    zh = "金额 {amount} 低于最低限额 {minimum}。"

A code is unique over all rooms; both languages use the same `{placeholders}`.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Literal

Locale = Literal["en", "zh"]
LOCALES: tuple[Locale, ...] = ("en", "zh")
_LANGUAGE = re.compile(r"\s*(en|zh)(?:-[\w-]+)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*", re.IGNORECASE)
_ROOMS = Path(__file__).resolve().parent.parent


class CatalogueError(Exception):
    """A message catalogue contradicts itself; the text says where."""


def text(code: str, locale: Locale = "en", /, **params: object) -> str:
    """The text of `code` in `locale` with its placeholders filled.

    Raises KeyError when the code or a parameter is missing: both are mistakes of ours, not of the reader.
    Values are inserted as they are; only the catalogue's own text is ever read as a template.
    """
    return catalogue()[code][locale].format(**params)


def has(code: str) -> bool:
    """Whether the catalogue knows `code`."""
    return code in catalogue()


def negotiate(accept_language: str | None) -> Locale:
    """The language to answer in, from an Accept-Language header (RFC 9110 section 12.5.4), else English."""
    best: tuple[float, int, Locale] = (0.0, 0, "en")
    for position, part in enumerate((accept_language or "").split(",")):
        match = _LANGUAGE.fullmatch(part)
        if match is None:
            continue
        weight = float(match[2]) if match[2] else 1.0
        locale: Locale = "zh" if match[1].lower() == "zh" else "en"
        best = max(best, (weight, -position, locale)) if weight > 0 else best
    return best[2]


@cache
def catalogue() -> Mapping[str, Mapping[Locale, str]]:
    """All rooms' texts by code. Raises CatalogueError for a duplicate code or languages that do not match."""
    merged: dict[str, Mapping[Locale, str]] = {}
    for path in sorted(_ROOMS.glob("*/messages.toml")):
        for code, entry in read(path).items():
            if code in merged:
                raise CatalogueError(f"{path}: the code {code!r} is already taken by another room")
            merged[code] = entry
    return merged


def read(path: Path) -> dict[str, Mapping[Locale, str]]:
    """One catalogue file, checked. A dotted table name such as [action.issue] is the code "action.issue"."""
    entries: dict[str, Mapping[Locale, str]] = {}
    _collect(path, "", tomllib.loads(path.read_text(encoding="utf-8")), entries)
    return entries


def _collect(
    path: Path, prefix: str, table: Mapping[str, object], into: dict[str, Mapping[Locale, str]]
) -> None:
    texts = {key: value for key, value in table.items() if isinstance(value, str)}
    for key, value in table.items():
        if isinstance(value, Mapping):
            _collect(path, f"{prefix}.{key}" if prefix else key, value, into)
    if not texts:
        return
    if set(texts) != set(LOCALES):
        raise CatalogueError(f"{path}: {prefix!r} must have exactly the languages {', '.join(LOCALES)}")
    if placeholders(texts["en"]) != placeholders(texts["zh"]):
        raise CatalogueError(f"{path}: the languages of {prefix!r} use different placeholders")
    into[prefix] = {locale: texts[locale] for locale in LOCALES}


def placeholders(template: str) -> frozenset[str]:
    """The names a template expects."""
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)
