"""Invoices of our own writing, from companies that do not exist."""

import io
from pathlib import Path

from pypdf import PdfWriter

FOLDER = Path(__file__).parents[2] / "samples" / "invoices"
UBL = (FOLDER / "tools-ubl.xml").read_bytes()
CII = (FOLDER / "tools-cii.xml").read_bytes()


def changed(document: bytes, *edits: tuple[str, str]) -> bytes:
    """The document with each edit made; an edit that finds nothing is a mistake in the test."""
    text = document.decode()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


def pdf(attachments: dict[str, bytes], password: str | None = None) -> bytes:
    """A one-page PDF that carries the given files."""
    writer = PdfWriter()
    writer.add_blank_page(width=200, height=200)
    for name, content in attachments.items():
        writer.add_attachment(name, content)
    if password is not None:
        writer.encrypt(password, algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()
