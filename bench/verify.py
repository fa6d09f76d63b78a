"""How long `tallystick verify` takes from a cold start for a bundle of many events, and how much memory.

    python -m bench.verify [EVENTS]        (1,000 of them if nothing is said)

The bundle is that of the tests' ledger made by hand, so no chain is needed; its contracts run stand-in code,
so `contracts` fails, and every other check must pass. Times are of the whole process, imports included; the
figures go to bench/verify.json.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backend.kit.canonical import encode
from backend.verifier import bundle, layout, writer
from tests.backend.verifier import world as w

PER_DOCUMENT, RUNS = 10, 9
STARTS_AT = w.ANCHORED - 7000
RESULT = Path(__file__).parent / "verify.json"
_ADVISORY = (
    "contracts",
    "freshness",
    "equal-elsewhere",
    "look-alikes",
    "not-behind-others",
    "related",
    "circles",
)


def build(count: int) -> w.Built:
    """The healthy claim with `count` events behind it, ten to a document, each signed by its recorder."""
    made = w.world()
    present = sum(events for *_, events in made.captures)
    for start in range(present, count, PER_DOCUMENT):
        number = min(PER_DOCUMENT, count - start)
        made.record([_event(start + place) for place in range(number)], w.SUPPLIER, "supplier", STARTS_AT)
    layout.contracts = w.known_contracts  # the stand-in code is known while the bundle is made
    return w.build(made)


def _event(place: int) -> dict[str, object]:
    serial = f"urn:epc:id:sgtin:4012345.067890.{place}"
    return w.event("storing", transactions=[("desadv", "DA-12")], day=1 + place % 25, epcList=[serial])


def measure(built: w.Built) -> dict[str, object]:
    """Runs the command cold several times: wall and processor seconds, memory, answers."""
    with tempfile.TemporaryDirectory() as folder:
        file, policy = Path(folder) / "bundle.json", Path(folder) / "policy.json"
        file.write_bytes(built.raw)
        rules = writer.policy_to_json(built.policy) | {"severities": dict.fromkeys(_ADVISORY, "advisory")}
        policy.write_bytes(encode(rules))
        command = [sys.executable, "-m", "backend.cli", "verify", str(file), "--policy", str(policy)]
        command += ["--json", "--block-hash", "0x" + built.block_hash.hex()]
        wall, cpu, memory, answer = [], [], 0, b""
        for _ in range(RUNS):
            began = time.perf_counter()
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                answer = process.stdout.read() if process.stdout else b""
                _, _, used = os.wait4(process.pid, 0)
                process.returncode = 0
            wall.append(time.perf_counter() - began)
            cpu.append(used.ru_utime + used.ru_stime)
            memory = max(memory, used.ru_maxrss)
    outcomes = {each["check"]: each["outcome"] for each in json.loads(answer)["checks"]}
    bad = sorted(name for name, outcome in outcomes.items() if outcome == "fail")
    assert bad == ["contracts", "freshness"], bad
    read, _ = bundle.read(built.raw, block_hash=built.block_hash, now=w.NOW)
    bodies = sum(len(encode(each.body.decode())) for each in read.log.captures)
    return {
        "events": len(read.log.events),
        "documents": len(read.log.captures),
        "bundle_bytes": len(built.raw),
        "bytes_per_event_beyond_the_events": round((len(built.raw) - bodies) / len(read.log.events)),
        "wall_seconds": {"median": round(statistics.median(wall), 3), "most": round(max(wall), 3)},
        "processor_seconds": round(statistics.median(cpu), 3),
        "memory_megabytes": round(memory / 1024),
        "checks": len(outcomes),
        "python": platform.python_version(),
    }


def main() -> None:
    """Measures, says and writes what came out."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    found = measure(build(count))
    print(json.dumps(found, indent=2))
    RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
