"""The deployment record: what stands where on a chain, and how it was compiled.

`<chain id>.json` and, beside it, `abi/<Contract>.json`. The backend, the signer and the offline verifier
read both; `deploy.py` writes them after every step, so that one that was interrupted goes on.
"""

import json
import os
from pathlib import Path
from typing import Any


class Record:
    """The record of one deployment, saved whole at every change."""

    def __init__(self, path: Path, chain_id: int) -> None:
        self.path = path
        self.data: dict[str, Any] = {"chain_id": chain_id, "contracts": {}, "tokens": {}}
        if path.exists():
            self.data = json.loads(path.read_text())

    @property
    def contracts(self) -> dict[str, dict[str, Any]]:
        """Name → address, ABI file, block, and the hashes of creation code and of the code on the chain."""
        found: dict[str, dict[str, Any]] = self.data["contracts"]
        return found

    @property
    def tokens(self) -> dict[str, dict[str, Any]]:
        """Address → symbol, decimals, ISO 4217 currency, exponent (decimals less minor-unit digits)."""
        found: dict[str, dict[str, Any]] = self.data["tokens"]
        return found

    def save(self) -> None:
        _write(self.path, self.data)

    def save_abi(self, name: str, abi: list[Any]) -> str:
        """Writes an ABI file; returns its path as the record names it."""
        _write(self.path.parent / "abi" / f"{name}.json", {"contract": name, "abi": abi})
        return f"abi/{name}.json"


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".writing")
    with scratch.open("w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
