"""The virus scanner, where there is one: clamd's INSTREAM over TCP (`host:port`) or a Unix socket (a path).

Without a scanner a document says "not-scanned", and never that it is clean. With one, a scanner that does not
answer lets nothing through.
"""

import asyncio
from typing import ClassVar

from backend.kit.problems import Problem

NOT_SCANNED, CLEAN = "not-scanned", "clean"
_CHUNK = 1 << 18
_SECONDS = 20.0


class DocumentInfected(Problem):
    """The scanner found something."""

    status, code = 422, "document-infected"


class ScannerUnavailable(Problem):
    """The scanner does not answer; nothing is taken unseen."""

    status, code = 503, "scanner-unavailable"
    headers: ClassVar = {"Retry-After": "30"}


async def scan(address: str | None, *contents: bytes) -> str:
    """`not-scanned` without a scanner, `clean` if it found nothing in any. Raises DocumentInfected."""
    if address is None:
        return NOT_SCANNED
    for content in contents:
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await _ask(address, content)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            raise ScannerUnavailable() from error
        if answer.endswith("FOUND"):
            raise DocumentInfected(name=answer.removeprefix("stream: ").removesuffix(" FOUND")[:100])
        if not answer.endswith("OK"):
            raise ScannerUnavailable()
    return CLEAN


async def _ask(address: str, content: bytes) -> str:
    host, _, port = address.rpartition(":")
    if host:
        reader, writer = await asyncio.open_connection(host, int(port))
    else:
        reader, writer = await asyncio.open_unix_connection(address)
    try:
        writer.write(b"zINSTREAM\0")
        for start in range(0, len(content), _CHUNK):
            piece = content[start : start + _CHUNK]
            writer.write(len(piece).to_bytes(4, "big") + piece)
            await writer.drain()
        writer.write(bytes(4))
        await writer.drain()
        return (await reader.readuntil(b"\0")).rstrip(b"\0").decode("utf-8", "replace").strip()
    finally:
        writer.close()
