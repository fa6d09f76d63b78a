"""`gas`: what each operation costs on the chain, against the figures that are committed.

`bench/Gas.t.sol` logs one figure an operation, each from a transaction of its own (`forge test --isolate`).
`bench/gas.json` holds those that were agreed; a rise above one fails, and `make gas UPDATE=1` writes the new
figures for review.
"""

import json
import os
import re
from pathlib import Path

from tasks.console import TaskError, say
from tasks.environment import ROOT, child_environment, native_binary, run

BENCHMARK = "bench/Gas.t.sol"
AGREED = ROOT / "bench" / "gas.json"
AIMS = ROOT / "bench" / "gas-aims.json"
DESCRIBED = ROOT / "docs" / "contracts.md"
LOG = ROOT / "build" / "reports" / "gas.log"


def measure() -> None:
    """Measures, prints one line an operation, and compares. Raises TaskError if one became dearer."""
    forge = str(native_binary("forge"))
    command = [forge, "test", "--isolate", "--match-path", BENCHMARK, "-vv", "--color=never"]
    run(*command, log=LOG, env=child_environment(FOUNDRY_TEST=str(Path(BENCHMARK).parent)))
    found = read_figures(LOG.read_text())
    if not found:
        raise TaskError(f"{BENCHMARK} measured nothing.")
    for operation, gas in sorted(found.items()):
        say(f"gas {operation} {gas}")
    if os.environ.get("UPDATE"):
        AGREED.write_text(json.dumps(dict(sorted(found.items())), indent=2) + "\n")
        DESCRIBED.write_text(described(DESCRIBED.read_text(), found))
        say(f"✓ written to {AGREED} and {DESCRIBED}")
        return
    agreed = json.loads(AGREED.read_text()) if AGREED.exists() else {}
    if problems := differences(found, agreed):
        problems.append("If that is meant, `make gas UPDATE=1` writes the new figures.")
        raise TaskError("\n".join(problems))


def read_figures(log: str) -> dict[str, int]:
    """Operation → gas, from what Forge printed."""
    return {name: int(gas) for name, gas in re.findall(r"^  (\w+): (-?\d+)$", log, re.MULTILINE)}


def differences(found: dict[str, int], agreed: dict[str, int]) -> list[str]:
    """What stands in the way: operations that became dearer, are not agreed, or are no longer measured."""
    dearer = [name for name in found.keys() & agreed.keys() if found[name] > agreed[name]]
    problems = [f"{name}: {found[name]} gas, {agreed[name]} agreed" for name in dearer]
    problems += [f"{name}: {found[name]} gas, none agreed" for name in found.keys() - agreed.keys()]
    problems += [f"{name}: agreed, but not measured any more" for name in agreed.keys() - found.keys()]
    return sorted(problems)


def described(text: str, figures: dict[str, int]) -> str:
    """`text` with its table of gas figures made anew, from the figures and from the aims and floors."""
    rows = ["| operation | aim | measured | floor | above it |", "| --- | --: | --: | --: | --: |"]
    for name, known in json.loads(AIMS.read_text()).items():
        gas, floor = figures[name], known.get("floor")
        lowest, above = (f"{floor:,}", f"{gas - floor:,}") if floor else ("–", "–")
        rows.append(f"| `{name}` | {known['aim']:,} | {gas:,} | {lowest} | {above} |")
    return re.sub(
        r"\| operation \| aim .*?(?=\n\n)", lambda _: "\n".join(rows), text, count=1, flags=re.DOTALL
    )
