"""The tampering campaign: every field of real bundles changed in every way, and every hash recomputed.

    make deep-tampering      (TAMPERING_MUTATIONS, TAMPERING_SEED; TAMPERING_PROCESSES)

It starts a ledger, takes journeys as `make demo` does, has a witness co-sign the log, and downloads what the
bank would: two open claims and a settled one; a claim made by hand about which much is wrong comes along.
What is done so far is kept in build/tampering, so a run that was cut off goes on. Figures:
bench/tampering.json.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from backend.kit.canonical import parse
from backend.verifier import evm, layout, policy
from backend.verifier.reader import Reader
from bench.real import Real, real_bundles
from tests.backend.verifier import campaign
from tests.backend.verifier import world as w
from tests.backend.verifier.campaign import CLAIMS, SHOWN, Subject, Tally

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "tampering"
RESULT = Path(__file__).parent / "tampering.json"
SEED = int(os.environ.get("TAMPERING_SEED") or 20261124)
COUNT = int(os.environ.get("TAMPERING_MUTATIONS") or 24_000)
PROCESSES = int(os.environ.get("TAMPERING_PROCESSES") or os.cpu_count() or 1)
_CHUNK = 250


def subjects() -> dict[str, tuple[Subject, Subject]]:
    """What is tampered with, each with the bundle that parts are taken from."""
    first, second, settled = (_subject(each) for each in real_bundles(WORK))
    with _stand_in_code():
        made = {
            name: Subject(name, built.raw, built.block_hash, built.policy, w.NOW, exempt)
            for name, built, exempt in (
                ("troubled", w.build(w.troubled()), CLAIMS | SHOWN),
                ("another", w.build(w.another()), CLAIMS),
            )
        }
    return {
        "open": (first, second),
        "settled": (settled, first),
        "troubled": (made["troubled"], made["another"]),
    }


def _subject(real: Real) -> Subject:
    with Reader(parse(json.dumps(real.policy).encode())) as reader:
        rules = policy.read(reader)
    return Subject(real.name, real.raw, bytes.fromhex(real.block_hash[2:]), rules, real.made_at + 5)


class _stand_in_code:  # noqa: N801  (used like a function)
    """Makes the verifier know the stand-in code of the ledger made by hand."""

    def __enter__(self) -> None:
        self._known, layout.contracts = layout.contracts, w.known_contracts

    def __exit__(self, *_: object) -> None:
        layout.contracts = self._known


_subjects: dict[str, tuple[Subject, Subject]] = {}


def _chunk(name: str, start: int, share: int) -> dict[str, object]:
    """One stretch of one subject's plan, in a process of its own."""
    if not _subjects:
        _subjects.update(subjects())
    subject, donor = _subjects[name]
    tally = Tally()
    stretch = campaign.plan(subject, SEED)[start : min(start + _CHUNK, share)]
    if name == "troubled":
        with _stand_in_code():
            campaign.run(subject, donor, stretch, tally)
    else:
        campaign.run(subject, donor, stretch, tally)
    return {
        "name": name,
        "start": start,
        "done": tally.done,
        "outcomes": dict(tally.outcomes),
        "wrongs": tally.wrongs,
    }


def _shares(found: dict[str, tuple[Subject, Subject]]) -> dict[str, int]:
    """How many mutations each subject gets: its whole plan, or as much of it as `COUNT` allows."""
    sizes = {name: len(campaign.plan(subject, SEED)) for name, (subject, _) in found.items()}
    total = sum(sizes.values())
    return {name: min(size, -(-size * COUNT // total)) for name, size in sizes.items()}


def _todo(shares: dict[str, int], done: dict[str, object]) -> Iterator[tuple[str, int]]:
    for name, share in shares.items():
        for start in range(0, share, _CHUNK):
            if f"{name}/{start}" not in done:
                yield name, start


def main() -> int:
    """Runs what is left of the campaign; 0 if nothing improved and nothing forged passed."""
    WORK.mkdir(parents=True, exist_ok=True)
    found = subjects()
    for subject, donor in found.values():
        print(f"{subject.name}: {dict(Counter(r.outcome.value for r in subject.before.results))}", flush=True)
        assert donor.before
    shares = _shares(found)
    content = evm.keccak(b"".join(subject.raw for subject, _ in found.values())).hex()
    key = "-".join(map(str, (SEED, *shares.values(), content[:8])))
    kept = WORK / f"done-{key}.json"
    done: dict[str, object] = json.loads(kept.read_text()) if kept.exists() else {}
    print(f"seed {SEED}; {shares} mutations, {len(done) * _CHUNK} done before", flush=True)
    began = time.monotonic()
    with ProcessPoolExecutor(PROCESSES) as pool:
        waiting = [pool.submit(_chunk, name, start, shares[name]) for name, start in _todo(shares, done)]
        for place, each in enumerate(as_completed(waiting), 1):
            result = each.result()
            done[f"{result['name']}/{result['start']}"] = result
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(done))
            part.replace(kept)
            print(f"\r{place}/{len(waiting)} stretches, {time.monotonic() - began:.0f} s", end="", flush=True)
    print()
    return _conclude(shares, [each for each in done.values() if isinstance(each, dict)], began)


def _conclude(shares: dict[str, int], results: list[dict[str, object]], began: float) -> int:
    wrongs = [wrong for each in results for wrong in each["wrongs"]]  # type: ignore[attr-defined]
    outcomes = {name: Counter[str]() for name in shares}
    for each in results:
        outcomes[str(each["name"])].update(each["outcomes"])  # type: ignore[arg-type]
    figures = {
        "seed": SEED,
        "mutations": sum(int(str(each["done"])) for each in results),
        "seconds": round(time.monotonic() - began),
        "processes": PROCESSES,
        "by_bundle": {name: dict(sorted(counts.items())) for name, counts in outcomes.items()},
        "improved_or_wrongly_reasoned": len(wrongs),
    }
    print(json.dumps(figures, indent=2))
    for wrong in wrongs[:50]:
        print(wrong, file=sys.stderr)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
