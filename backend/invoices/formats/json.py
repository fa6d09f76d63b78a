"""Invoices in JSON: India's INV-01, and this system's own form (what `GET` and exports give)."""

from typing import Any

from backend.invoices.formats import inv01
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Format, Invoice
from backend.kit.canonical import CanonicalError, Number, parse

MAX_BYTES = 5_000_000
_OWN = {"number", "seller", "buyer", "totals"}


def read(data: bytes) -> Invoice:
    """The one invoice in a JSON text. Raises Unreadable: `json-too-large`, `json-broken`, `file-is-json`."""
    if len(data) > MAX_BYTES:
        raise Unreadable("json-too-large", limit=MAX_BYTES)
    try:
        document: Any = parse(data.removeprefix(b"\xef\xbb\xbf"))
    except CanonicalError as error:
        raise Unreadable("json-broken", reason=str(error)[:200]) from None
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if isinstance(document, dict) and isinstance(document.get("transaction"), dict):
        document = document["transaction"]  # as the bulk tools of the registration portal wrap it
    if inv01.matches(document):
        return inv01.parse(document)
    if isinstance(document, dict) and set(document) >= _OWN:
        from backend.invoices import codec  # slow to load, and most files are not in JSON

        defaults, fixed = {"due": {}, "type": "380"}, {"format": Format.JSON, "issues": []}
        return codec.load(defaults | _plain(document) | fixed)
    raise Unreadable("file-is-json")


def _plain(value: Any) -> Any:
    """Numbers as what the model takes: integers where they are, decimal text otherwise."""
    if isinstance(value, Number):
        return int(value.text) if value.text.lstrip("-").isdecimal() else value.text
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
