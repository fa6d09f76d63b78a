"""Zip archives from strangers: OFD, XLSX and batches. Everything is bounded before anything is unpacked.

What a zip says of its sizes is checked first, and what comes out is counted all the same, since it may lie.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from backend.invoices.formats.errors import Unreadable

MAX_BYTES = 100_000_000
MAX_MEMBERS = 2_000
MAX_UNPACKED = 200_000_000
MAX_MEMBER = 50_000_000
_MAX_RATIO = 200
_PIECE = 1 << 16
# What zipfile raises for an archive that is damaged, or packed in a way it does not know.
_FAULTS = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError, KeyError)
# Left by operating systems in archives; nobody means to send them.
_LITTER = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}


def open_archive(data: bytes) -> zipfile.ZipFile:
    """The archive, once its own account of itself is within bounds.

    Raises Unreadable: `zip-too-large`, `zip-broken`, `zip-encrypted`, `zip-too-many`, `zip-swells`.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable("zip-too-large", limit=MAX_BYTES)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _FAULTS as error:
        raise Unreadable("zip-broken", reason=str(error)[:200] or type(error).__name__) from None
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise Unreadable("zip-too-many", count=len(members), limit=MAX_MEMBERS)
    if any(member.flag_bits & 0x1 for member in members):
        raise Unreadable("zip-encrypted")
    total = sum(member.file_size for member in members)
    if total > MAX_UNPACKED or total > _MAX_RATIO * max(len(data), 10_000):
        raise Unreadable("zip-swells", limit=MAX_UNPACKED)
    return archive


def member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo) -> bytes:
    """One member, unpacked piece by piece up to the limit. Raises Unreadable as above.

    A name that is there twice means the last; its entry means that very one.
    """
    content = bytearray()
    try:
        with archive.open(name) as stream:
            while piece := stream.read(_PIECE):
                content += piece
                if len(content) > MAX_MEMBER:
                    raise Unreadable("zip-swells", limit=MAX_MEMBER)
    except _FAULTS as error:
        raise Unreadable("zip-broken", reason=str(error)[:200] or type(error).__name__) from None
    return bytes(content)


def files(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """What a person put in, in order. Names are labels: nothing is ever written under them."""
    for info in archive.infolist():
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if not info.is_dir() and parts and not _LITTER & set(parts):
            yield info
