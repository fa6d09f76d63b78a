"""Invoices in JSON: India's INV-01, bare or signed, and this system's own form (what `GET` and exports give).

India's registration portal answers with signed tokens: the whole invoice, and the few fields of its QR code.
"""

from dataclasses import replace
from typing import Any

from backend.invoices.formats import inv01, tokens
from backend.invoices.formats.collect import Collector
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Format, Invoice
from backend.kit.canonical import CanonicalError, Number, encode, parse

MAX_BYTES = 5_000_000
_MAX_DIGITS = 100
_OWN = {"number", "seller", "buyer", "totals"}


def read(data: bytes) -> Invoice:
    """The one invoice in a JSON text. Raises Unreadable: `json-too-large`, `json-broken`, `file-is-json`."""
    token = data if is_token(data) else None
    document, token = _unwrapped(_payload(data) if token else _parse(data), token)
    signature = tokens.signature(token) if token else None
    if inv01.matches(document):
        return replace(inv01.parse(document), signature=signature)
    if inv01.matches_code(document):
        return replace(inv01.parse_code(document), signature=signature)
    if isinstance(document, dict) and set(document) >= _OWN:
        from backend.invoices import codec  # slow to load, and most files are not in JSON

        defaults: dict[str, Any] = {"due": {}, "type": "380"}
        fixed: dict[str, Any] = {"format": Format.JSON, "issues": [], "signature": None}
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
    return len(data) <= MAX_BYTES and tokens.is_token(data)


def _parse(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise Unreadable("json-too-large", limit=MAX_BYTES)
    try:
        return parse(data.removeprefix(b"\xef\xbb\xbf"))
    except CanonicalError as error:
        raise Unreadable("json-broken", reason=str(error)[:200]) from None


def _unwrapped(document: Any, token: bytes | None = None) -> tuple[Any, bytes | None]:
    """The invoice inside what the registration portal and its bulk tools put around it; and its token."""
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        return document, token
    for name in ("transaction", "Data", "data"):
        if isinstance(document.get(name), dict):
            document = document[name]
    for name in ("SignedInvoice", "SignedQRCode"):
        inner = document.get(name)
        if isinstance(inner, str) and is_token(inner.encode()):
            return _unwrapped(_payload(inner.encode()), inner.encode())
    return document, token


def _payload(token: bytes) -> Any:
    """What a token says: its `data` is the document as text."""
    try:
        claims = _parse(tokens.claims(token))
    except ValueError as error:
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
