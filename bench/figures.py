"""Keeps what the measurements of invoices found in bench/invoices.json, each under its name."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

KEPT = Path(__file__).with_name("invoices.json")


def keep(name: str, figures: Mapping[str, object]) -> None:
    """Writes the figures down in place of those measured before, and says them."""
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    kept[name] = figures
    KEPT.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{name}: {json.dumps(figures, ensure_ascii=False)}\n")
