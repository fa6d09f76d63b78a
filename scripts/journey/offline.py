"""`tallystick verify` as a bank runs it: a process of its own, given a file, that opens no connection."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.journey.chain import Chain
from scripts.journey.party import JourneyError

MUST_PASS = (
    "claim",
    "supplier-admitted",
    "debtor-admitted",
    "document",
    "amount",
    "signature",
    "signer",
    "fingerprint",
    "identity",
    "slot",
    "holder",
    "free",
    "events-recorded",
    "events-signed",
    "recorded-in-time",
    "anchored-before",
    "ordered",
    "shipped",
    "received",
    "match",
)
"""What the evidence of this journey has to prove whatever the bank pins."""

_UNREADABLE = 2


def prove(bundle: bytes, chain: Chain) -> Iterator[str]:
    """Checks a bundle against the block hash that the reader's own node gives for its block."""
    number = verify(bundle)["block"]["number"]
    report = verify(bundle, block_hash=chain.block_hash(number))
    outcomes = {check["check"]: check["outcome"] for check in report["checks"]}
    if wrong := [f"{name}: {outcomes[name]}" for name in MUST_PASS if outcomes[name] != "pass"]:
        raise JourneyError(f"the bundle does not prove {', '.join(wrong)}")
    if failed := [name for name, outcome in outcomes.items() if outcome == "fail"]:
        raise JourneyError(f"the bundle was refuted: {', '.join(failed)}")
    yield f"{len(bundle)} bytes; {len(MUST_PASS)} checks that matter pass against block {number}"
    yield f"cannot tell: {', '.join(report['ask_for'])}"


def verify(bundle: bytes, *, block_hash: str | None = None) -> dict[str, Any]:
    """The report on a bundle, made from nothing but the file and the hash. Raises JourneyError."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bundle.json"
        file.write_bytes(bundle)
        known = ["--block-hash", block_hash] if block_hash else []
        done = subprocess.run(
            [sys.executable, "-m", "backend.cli", "verify", str(file), "--json", *known],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == _UNREADABLE or not done.stdout:
        raise JourneyError(f"the bundle cannot be read: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
