"""Factur-X, ZUGFeRD and XRechnung in PDF/A-3: the XML embedded in the picture (ISO 19005-3).

The XML is the invoice and the picture a courtesy: they can differ, and the XML wins. A PDF without such XML
is one somebody has to type in. Files are found wherever PDF lets them hang (ISO 32000-2, 7.11.4): in the
tree of names, among the associated files, and as annotations of a page.
"""

import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backend.invoices.formats import contents
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Attachment

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_BYTES = 50_000_000
_MAX_FILES = 100
_MAX_UNPACKED = 100_000_000
_MAX_NODES = 1_000
_MAX_PAGES = 50
# The names the profiles prescribe, newest first; others are looked at after them.
_NAMES = ("factur-x.xml", "xrechnung.xml", "zugferd-invoice.xml")
_KINDS = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def files(data: bytes) -> list[Attachment]:
    """Everything embedded in the PDF, each file once.

    Raises Unreadable: `pdf-too-large`, `pdf-encrypted` (a password is needed to open it), `pdf-broken`.
    """
    from pypdf import PdfReader  # slow to load, and most files are no PDFs
    from pypdf.errors import PyPdfError

    if len(data) > MAX_BYTES:
        raise Unreadable("pdf-too-large", limit=MAX_BYTES)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("pdf-encrypted")
        return list(_files(reader))
    except Unreadable:
        raise
    except (
        PyPdfError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        OSError,
    ) as error:
        # pypdf meets a malformed file with whatever exception the malformation provokes.
        raise Unreadable("pdf-broken", reason=str(error)[:200] or type(error).__name__) from None


def xml_files(embedded: list[Attachment]) -> list[Attachment]:
    """Those that may be the invoice's XML, the most likely first."""
    return sorted((file for file in embedded if _may_be_xml(file)), key=_rank)


def supporting(embedded: list[Attachment]) -> tuple[Attachment, ...]:
    """Those beside the XML whose kind is known, so that it can be said whether they are what they claim.

    PDF/A-3 lets anything in (drawings, tables of any program); of what we do not know only a program is told.
    """
    others = (file for file in embedded if not _may_be_xml(file))
    return tuple(file for file in others if contents.suspect(file) != "not-allowed")


def is_prescribed(file: Attachment) -> bool:
    """Whether the file has a name under which a profile puts the invoice."""
    return (file.name or "").lower() in _NAMES


def _may_be_xml(file: Attachment) -> bool:
    start = (file.content or b"")[:100].removeprefix(b"\xef\xbb\xbf").lstrip()
    return (file.name or "").lower().endswith(".xml") or start.startswith(b"<")


def _rank(file: Attachment) -> int:
    return _NAMES.index((file.name or "").lower()) if is_prescribed(file) else len(_NAMES)


def _files(reader: "PdfReader") -> Iterator[Attachment]:
    from pypdf.generic import EmbeddedFile

    seen: set[int] = set()
    unpacked = 0
    for named, specification in _specifications(reader):
        if id(specification) in seen or "/EF" not in specification:
            continue
        if len(seen) == _MAX_FILES:
            return
        seen.add(id(specification))
        name = specification.get("/UF") or specification.get("/F") or named or ""
        file = EmbeddedFile(name=name, pdf_object=specification)
        content = file.content
        unpacked += len(content)
        if unpacked > _MAX_UNPACKED:
            raise Unreadable("pdf-too-large", limit=_MAX_UNPACKED)
        yield Attachment(name=str(name).strip(), media_type=_kind(str(name), file.subtype), content=content)


def _kind(name: str, subtype: str | None) -> str | None:
    stated = (subtype or "").lstrip("/").lower()
    return next((kind for ending, kind in _KINDS.items() if name.lower().endswith(ending)), stated or None)


def _specifications(reader: "PdfReader") -> Iterator[tuple[Any, Any]]:
    """Every file specification with the name it hangs under, if it hangs under one."""
    root = reader.root_object
    names = _dictionary(root.get("/Names")).get("/EmbeddedFiles")
    waiting, looked_at, found = [_dictionary(names)], 0, False
    while waiting and looked_at < _MAX_NODES:
        node, looked_at = waiting.pop(), looked_at + 1
        pairs = _list(node.get("/Names"))
        for name, each in zip(pairs[::2], pairs[1::2], strict=False):
            found = True
            yield name.get_object(), _dictionary(each)
        waiting += [_dictionary(kid) for kid in reversed(_list(node.get("/Kids"))[:_MAX_NODES])]
    for each in _list(root.get("/AF"))[:_MAX_NODES]:
        found = True
        yield None, _dictionary(each)
    for number in range(0 if found else min(_MAX_PAGES, len(reader.pages))):
        for note in _list(reader.pages[number].get("/Annots"))[:_MAX_NODES]:
            yield None, _dictionary(_dictionary(note).get("/FS"))


def _dictionary(value: Any) -> Any:
    from pypdf.generic import DictionaryObject

    found = value.get_object() if value is not None else None
    return found if isinstance(found, DictionaryObject) else {}


def _list(value: Any) -> Any:
    from pypdf.generic import ArrayObject

    found = value.get_object() if value is not None else None
    return found if isinstance(found, ArrayObject) else []


logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns about every oddity it repairs
