"""Whether the bytes of an attachment are what it claims to be. Only what invoices may carry is known here.

EN 16931-1 BT-125 allows PDF, PNG, JPEG, CSV, XLSX and ODS; XML is added, since XRechnung and Factur-X use it.
"""

from backend.invoices.model import Attachment

_PDF, _PNG, _JPEG, _ZIP = b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"PK\x03\x04"
_SIGNATURES = {
    "application/pdf": _PDF,
    "image/png": _PNG,
    "image/jpeg": _JPEG,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": _ZIP,
    "application/vnd.oasis.opendocument.spreadsheet": _ZIP,
}
_TEXTS = {"text/csv", "text/plain", "text/xml", "application/xml"}
# What runs when it is opened: never welcome, whatever it is called.
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xd0\xcf\x11\xe0", b"\xcf\xfa\xed\xfe")
# The harmless test file of the anti-virus makers (EICAR), which every scanner must find.
_EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR"


def suspect(attachment: Attachment) -> str | None:
    """Why the attachment is refused (`program`, `not-allowed`, `not-what-it-says`), or None if it is not."""
    content = attachment.content
    if content is None:
        return None
    if content.startswith(_PROGRAMS) or content[:200].lstrip().startswith(_EICAR):
        return "program"
    claim = (attachment.media_type or "").split(";", 1)[0].strip().lower()
    if claim in _SIGNATURES:
        # A PDF may have some bytes before its header (ISO 32000-1, annex H.3.4.1).
        found = (
            _PDF in content[:1024] if claim == "application/pdf" else content.startswith(_SIGNATURES[claim])
        )
        return None if found else "not-what-it-says"
    if claim in _TEXTS:
        return "not-what-it-says" if b"\0" in content[:4096] and claim.startswith("text/csv") else None
    return "not-allowed"
