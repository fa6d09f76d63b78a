"""`deep-contracts`: the stateful invariants over 100,000 calls each (`python -m tasks.invariants`).

The calls are made in slices, each with a seed of its own, for `MINUTES` (40) at most; what was made stands
in `build/reports/invariants.json` beside the digest of contracts and tests, and the next run goes on from
there. A violation stops it with Forge's sequence of calls; the same `SEED` makes it again.
"""

import hashlib
import json
import os
import re
import sys
import time

from tasks.console import TaskError, say
from tasks.environment import ROOT, child_environment, native_binary, run

WANTED = 100_000
RUNS_A_SLICE = 50
REPORTS = ROOT / "build" / "reports"
PROGRESS = REPORTS / "invariants.json"


def campaign() -> None:
    """Makes slices until every invariant saw `WANTED` calls, or time is up.

    Raises TaskError on a violation, and where time was up first.
    """
    until = time.monotonic() + 60 * float(os.environ.get("MINUTES", "40"))
    seed = int(os.environ.get("SEED", "1"))
    digest = _digest()
    done = json.loads(PROGRESS.read_text()) if PROGRESS.exists() else {}
    if done.get("sources") != digest or done.get("seed") != seed:
        done = {"sources": digest, "seed": seed, "slices": 0, "seconds": 0.0, "calls": {}}
    while not done["calls"] or min(done["calls"].values()) < WANTED:
        if time.monotonic() > until:
            raise TaskError(f"Time is up after {done['calls']}. Run it again: it goes on from there.")
        started = time.monotonic()
        made = _slice(seed + done["slices"])
        done["seconds"] = round(done["seconds"] + time.monotonic() - started, 1)
        done["slices"] += 1
        for name, calls in made.items():
            done["calls"][name] = done["calls"].get(name, 0) + calls
        PROGRESS.write_text(json.dumps(done, indent=2))
        say(f"  seed {seed}, slice {done['slices']}: {done['calls']} calls in {done['seconds']:.0f} s")
    say(f"✓ {done['calls']} calls, seeds {seed} to {seed + done['slices'] - 1}, {done['seconds']:.0f} s")


def _slice(seed: int) -> dict[str, int]:
    """Calls made for each invariant with this seed."""
    log = REPORTS / "invariants.log"
    environment = child_environment(
        FOUNDRY_INVARIANT_RUNS=str(RUNS_A_SLICE), FOUNDRY_INVARIANT_SHOW_METRICS="false"
    )
    command = [str(native_binary("forge")), "test", "--match-test", "^invariant_", "--color=never"]
    run(*command, "--fuzz-seed", hex(seed), log=log, env=environment)
    made = read_calls(log.read_text())
    if not made:
        raise TaskError(f"Forge made no calls: see {log}.")
    return made


def read_calls(log: str) -> dict[str, int]:
    """Invariant → calls, from what Forge printed."""
    found = re.findall(r"^\[PASS\] (invariant_\w+)\(\) \(runs: \d+, calls: (\d+)", log, re.MULTILINE)
    return {name: int(calls) for name, calls in found}


def _digest() -> str:
    files = sorted([*ROOT.glob("contracts/**/*.sol"), *ROOT.glob("tests/contracts/forge/*.sol")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


if __name__ == "__main__":
    try:
        campaign()
    except TaskError as error:
        say(f"error: {error}")
        sys.exit(1)
