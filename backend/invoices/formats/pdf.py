"""Factur-X, ZUGFeRD and XRechnung in PDF/A-3: the XML embedded in the picture (ISO 19005-3).

The XML is the invoice and the picture a courtesy: they can differ, and the XML wins. A PDF without such XML
is one somebody has to type in.
"""

import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.invoices.formats.errors import Unreadable

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_BYTES = 50_000_000
_MAX_ATTACHMENTS = 100
# The names the profiles prescribe, newest first; others are looked at after them.
_NAMES = ("factur-x.xml", "xrechnung.xml", "zugferd-invoice.xml")


def embedded_xml(data: bytes) -> bytes | None:
    """The invoice's XML, or None if the PDF carries none.

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
        files = list(_xml_files(reader))
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
    return min(files, key=lambda file: file[0])[1] if files else None


def _xml_files(reader: "PdfReader") -> Iterator[tuple[int, bytes]]:
    """XML attachments with their rank."""
    for position, attachment in enumerate(reader.attachment_list):
        if position >= _MAX_ATTACHMENTS:
            return
        name = (attachment.name or "").strip().lower()
        if name in _NAMES:
            yield _NAMES.index(name), attachment.content
        elif name.endswith(".xml"):
            yield len(_NAMES) + position, attachment.content


logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns about every oddity it repairs
