"""Invoices in JSON: India's INV-01, bare or signed, and this system's own form (what `GET` and exports give).

India's registration portal answers with tokens (JWS compact, RFC 7515): the whole invoice, and the few
fields of its QR code. What they say is read; whose signature they bear is not checked, and nothing relies
on it.
"""

import base64
import binascii
import re
from dataclasses import replace
from typing import Any

from backend.invoices.formats import inv01
from backend.invoices.formats.collect import Collector
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Format, Invoice
from backend.kit.canonical import CanonicalError, Number, encode, parse

MAX_BYTES = 5_000_000
_TOKEN = re.compile(rb"\s*eyJ[\w-]+\.[\w-]+\.[\w-]*\s*")
_MAX_DIGITS = 100
_OWN = {"number", "seller", "buyer", "totals"}


def read(data: bytes) -> Invoice:
    """The one invoice in a JSON text. Raises Unreadable: `json-too-large`, `json-broken`, `file-is-json`."""
    document = _unwrapped(_payload(data) if is_token(data) else _parse(data))
    if inv01.matches(document):
        return inv01.parse(document)
    if inv01.matches_code(document):
        return inv01.parse_code(document)
    if isinstance(document, dict) and set(document) >= _OWN:
        from backend.invoices import codec  # slow to load, and most files are not in JSON

        defaults, fixed = {"due": {}, "type": "380"}, {"format": Format.JSON, "issues": []}
        invoice, collect = codec.load(defaults | _plain(document) | fixed), Collector()
        return replace(invoice, currency=collect.set_currency(invoice.currency), issues=tuple(collect.issues))
    raise Unreadable("file-is-json")


def many(data: bytes) -> list[bytes] | None:
    """The invoices of a JSON list, as the bulk tools of India's portal write it; None for a single one."""
    if len(data) > MAX_BYTES:
        return None
    try:
        document = parse(data.removeprefix(b"\xef\xbb\xbf"))
    except CanonicalError:
        return None
    several = isinstance(document, list) and len(document) > 1
    return [encode(each) for each in document] if several and isinstance(document, list) else None


def is_token(data: bytes) -> bool:
    """Whether the text is a signed token (JWS compact serialization) and nothing else."""
    return len(data) <= MAX_BYTES and _TOKEN.fullmatch(data) is not None


def _parse(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise Unreadable("json-too-large", limit=MAX_BYTES)
    try:
        return parse(data.removeprefix(b"\xef\xbb\xbf"))
    except CanonicalError as error:
        raise Unreadable("json-broken", reason=str(error)[:200]) from None


def _unwrapped(document: Any) -> Any:
    """The invoice inside what the registration portal and its bulk tools put around it."""
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        return document
    for name in ("transaction", "Data", "data"):
        if isinstance(document.get(name), dict):
            document = document[name]
    for name in ("SignedInvoice", "SignedQRCode"):
        token = document.get(name)
        if isinstance(token, str) and is_token(token.encode()):
            return _unwrapped(_payload(token.encode()))
    return document


def _payload(token: bytes) -> Any:
    """What a token says: its `data` is the document as text."""
    try:
        claims = _parse(base64.urlsafe_b64decode(token.split(b".")[1] + b"=="))
    except (binascii.Error, ValueError) as error:
        raise Unreadable("json-broken", reason=str(error)[:200]) from None
    inner = claims.get("data") if isinstance(claims, dict) else None
    return _parse(inner.encode()) if isinstance(inner, str) else claims


def _plain(value: Any) -> Any:
    """Numbers as what the model takes: integers where they are, decimal text otherwise."""
    if isinstance(value, Number):
        is_amount = len(value.text) <= _MAX_DIGITS and value.text.lstrip("-").isdecimal()
        return int(value.text) if is_amount else value.text
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
