"""The only door for untrusted XML.

No entity is ever expanded, no DTD read, no network used; a document with a DOCTYPE is refused, since invoices
have none and every entity attack needs one. Bytes, depth, elements and lines are bounded.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from lxml import etree

from backend.invoices.formats.errors import Unreadable

MAX_BYTES = 20_000_000
MAX_LINES = 5_000
MAX_TAXES = 200
# Official rules compare every rate with every line: without bounds a small file costs an hour.
_MAX_ELEMENTS = 250_000
_SBDH = "{http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader}StandardBusinessDocument"


def parse(data: bytes) -> etree._Element:
    """The root. Raises Unreadable: `xml-too-large`, `-has-doctype`, `-broken`, `-too-many-elements`."""
    if len(data) > MAX_BYTES:
        raise Unreadable("xml-too-large", limit=MAX_BYTES)
    # One parser a document: lxml parsers keep state and are not meant to be shared between threads.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data.lstrip(b" \t\r\n"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        if b"<!DOCTYPE" in data[:100_000].replace(b"\0", b""):
            raise Unreadable("xml-has-doctype") from None
        raise Unreadable("xml-broken", reason=_reason(error)) from None
    info: Any = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise Unreadable("xml-has-doctype")
    if (count := sum(1 for _ in root.iter())) > _MAX_ELEMENTS:
        raise Unreadable("xml-too-many-elements", count=count, limit=_MAX_ELEMENTS)
    return root


def bounded(lines: int, taxes: int) -> None:
    """Raises Unreadable for more lines or tax rates than can be judged in good time."""
    if lines > MAX_LINES:
        raise Unreadable("too-many-lines", count=lines, limit=MAX_LINES)
    if taxes > MAX_TAXES:
        raise Unreadable("too-many-taxes", count=taxes, limit=MAX_TAXES)


def unwrap(root: etree._Element) -> etree._Element:
    """The invoice inside a Standard Business Document (SBDH 1.3), or the root itself."""
    if root.tag != _SBDH:
        return root
    payloads = [child for child in root if local(child) != "StandardBusinessDocumentHeader"]
    if len(payloads) != 1:
        raise Unreadable("sbdh-without-one-document", count=len(payloads))
    return payloads[0]


def local(element: etree._Element) -> str:
    """The element's name without its namespace."""
    return etree.QName(element).localname


def find(element: etree._Element | None, *paths: str) -> etree._Element | None:
    """The first element at the first of `paths` that has one; steps are local names joined by `/`."""
    if element is None:
        return None
    for path in paths:
        found = element.find(_clark(path))
        if found is not None:
            return found
    return None


def find_all(element: etree._Element | None, *paths: str) -> Iterator[etree._Element]:
    """All elements at each of `paths`, in the order of `paths`."""
    if element is not None:
        for path in paths:
            yield from element.iterfind(_clark(path))


def text(element: etree._Element | None, *paths: str) -> str | None:
    """The trimmed text at the first of `paths` that has any; of `element` itself without paths."""
    if element is None:
        return None
    if not paths:
        return (element.text or "").strip() or None
    for path in paths:
        for found in element.iterfind(_clark(path)):
            if value := (found.text or "").strip():
                return value
    return None


def iso_date(value: str | None) -> date | None:
    """The day of an xs:date or xs:dateTime as written: a time zone does not move it. ValueError otherwise."""
    if value is None:
        return None
    if match := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})(T.*|Z|[+-]\d{2}:\d{2})?", value.strip()):
        return date(int(match[1]), int(match[2]), int(match[3]))
    if match := re.fullmatch(r"(\d{4})(\d{2})(\d{2})(\d{4,6})?", value.strip()):
        return date(int(match[1]), int(match[2]), int(match[3]))
    raise ValueError(f"not a date: {value[:40]!r}")


_paths: dict[str, str] = {}


def _clark(path: str) -> str:
    """`A/B` as `{*}A/{*}B`: namespaces differ between versions of a syntax, local names do not."""
    if path not in _paths:
        _paths[path] = "/".join(f"{{*}}{step}" for step in path.split("/"))
    return _paths[path]


def _reason(error: Exception) -> str:
    """The parser's own words, cut short: they quote the file."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
