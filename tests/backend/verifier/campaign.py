"""What must hold of every tampered bundle, whatever was done to it: for the suite's sample and the campaign.

Nothing improves; a change shows only in the checks that rest on what was changed; what is missing is never
answered with "fail", unless the chain says that it is missing; what is forged fails for a reason of its own.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

from backend.verifier import bundle, checks, policy, report
from backend.verifier.reader import BundleError
from backend.verifier.result import Outcome
from tests.backend.verifier import mutations as m

# Answers that are somebody's word: the word is in the bundle, so changing it changes the answer, which says
# that it is claimed.
CLAIMS = frozenset({
    "supplier-screened", "debtor-screened", "invoice-valid", "equal-elsewhere", "look-alikes", "registry",
    "conduct", "related",
})  # fmt: skip

# Answers about what is shown: leave out what is bad and the rest is good. That something was left out is for
# `nothing-left-out` to say. `holder` is a question the bundle asks.
SHOWN = frozenset({
    "events-recorded", "events-signed", "recorded-in-time", "document", "holder", "shipped", "freshness",
})  # fmt: skip

_ALL = frozenset(checks.BY_NAME)
_RECORD = frozenset(check.name for check in checks.ALL if check.group == "record")
_GOODS = frozenset(check.name for check in checks.ALL if check.goods) - _RECORD

# Member of the bundle → the checks that rest on it.
RESTS_ON_IT = {
    "format": frozenset(),
    "made_at": frozenset(),
    "policy": frozenset(),
    "report": frozenset(),
    "ledger": _ALL,
    "block": _ALL,
    "state": _ALL,
    "terms": _ALL,
    "code": frozenset({"contracts"}),
    "fields": _GOODS | {"document", "amount", "due-date", "identity"},
    "absent": _GOODS | {"due-date", "identity"},
    "fingerprints": frozenset({"fingerprint", "identity", "slot"}),
    "confirmation": frozenset({"signature", "signer", "debtor-key"}),
    "holder": frozenset({"holder", "free", "pending"}),
    "log": _RECORD | _GOODS,
    "statements": CLAIMS | _GOODS,  # whose GLNs the documents are numbered under
}

# Where something was removed or emptied a check may fail only for these reasons: the chain, or what is still
# shown, says that there is more.
MISSING_SHOWS = {
    "log/*": (
        "verify.log.heads", "verify.map.*", "verify.corrections.*", "verify.events.*", "verify.in-time.*"
    ),
    "log/events*": ("verify.quantities.short",),
    "log/captures*": ("verify.quantities.short",),
    "fingerprints*": ("verify.fingerprint.keys", "verify.fingerprint.other"),
    "fields/*/siblings*": ("verify.document.forged",),
    "fields/*/other": ("verify.document.forged",),
    "confirmation/cosignature": (),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Subject:
    """A bundle, what its reader knows by itself, and when it reads."""

    name: str
    raw: bytes
    block_hash: bytes
    policy: policy.Policy
    now: int
    exempt: frozenset[str] = CLAIMS

    @cached_property
    def document(self) -> Any:
        return m.load(self.raw)

    @cached_property
    def before(self) -> report.Report:
        found = self.judge(self.raw)
        assert found is not None, f"{self.name}: a valid bundle was refused"
        return found

    def judge(self, raw: bytes) -> report.Report | None:
        """The report on a tampered bundle, or None where it is refused as no bundle."""
        try:
            read, _ = bundle.read(raw, block_hash=self.block_hash, now=self.now)
        except BundleError:
            return None
        return report.run(replace(read, report=None), self.policy)

    def wrongs(
        self, path: m.Path, kind: str, finish: str, finished: Any, after: report.Report
    ) -> Iterator[str]:
        """What must not be, of a bundle changed at `path` and then finished."""
        was = {each.check: each for each in self.before.results}
        for each in after.results:
            old = was[each.check].outcome
            good = (Outcome.PASS, Outcome.NOT_APPLICABLE)
            if each.outcome is old:
                continue
            if each.outcome in good and each.check not in self.exempt:
                yield f"{each.check} improved from {old} to {each.outcome}"
            if finish != "plain" or not path:
                continue
            if each.check not in RESTS_ON_IT[str(path[0])]:
                yield f"{each.check} became {each.outcome} though it does not rest on this"
            code = each.finding.code
            gone = kind in ("remove", "empty") and path[0] not in ("ledger", "block", "terms", "statements")
            if gone and each.outcome is Outcome.FAIL and not _is_shown(path, code):
                yield f"{each.check} failed ({code}) though something is only missing"
        if after.supported > self.before.supported:
            yield f"the sum rose from {self.before.supported} to {after.supported}"
        yield from self._unreasoned(path, kind, finish, finished, after)

    def _unreasoned(
        self, path: m.Path, kind: str, finish: str, finished: Any, after: report.Report
    ) -> Iterator[str]:
        """Forgeries that must fail, and did not for their own reason."""
        now = {each.check: each for each in after.results}
        resigned = finish not in ("plain", "rehashed")
        for start, check, codes in MUST_FAIL + (SIGNED_ANEW if resigned else SIGNED):
            forged = kind in ("change", "swap") and path[: len(start)] == start
            # Recomputing may undo a change, as of a root whose fields are all shown.
            forged = forged and m.at(finished, start) != m.at(self.document, start)
            if forged and m.at(self.document, path) not in (None, ""):
                found = now[check]
                if found.outcome is Outcome.PASS or (
                    found.outcome is Outcome.FAIL
                    and not any(fnmatchcase(found.finding.code, c) for c in codes)
                ):
                    yield f"{check} says {found.outcome} ({found.finding.code}) to a forgery"


# Path → the check that must not pass once it was changed, and why it fails where it fails.
MUST_FAIL: tuple[tuple[m.Path, str, tuple[str, ...]], ...] = (
    (("block",), "block", ("verify.block.other",)),
    (("ledger", "chain_id"), "contracts", ("verify.contracts.chain",)),
    (("ledger", "contracts"), "contracts", ("verify.contracts.*",)),
    (("code",), "contracts", ("verify.contracts.code", "verify.contracts.linked")),
    (("terms",), "claim", ("verify.claim.unknown", "verify.block.not-yours")),
)
SIGNED: tuple[tuple[m.Path, str, tuple[str, ...]], ...] = tuple(
    (("confirmation", name), "signature", ("verify.signature.invalid",))
    for name in ("nonce", "deadline", "signature")
)
# The forger's own signature is a good one, of a key that might not sign.
SIGNED_ANEW = tuple((start, "signer", ("verify.signer.*",)) for start, _, _ in SIGNED)


def _is_shown(path: m.Path, code: str) -> bool:
    place = "/".join(map(str, path))
    return any(
        fnmatchcase(place, pattern) and any(fnmatchcase(code, each) for each in codes)
        for pattern, codes in MISSING_SHOWS.items()
    )


@dataclass
class Tally:
    """What came of the mutations so far."""

    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)


def run(subject: Subject, donor: Subject, plan: Iterable[tuple[m.Path, str, str, int]], tally: Tally) -> None:
    """Tries mutations (path, kind, finish, seed) one by one and notes what came of each."""
    for path, kind, finish, seed in plan:
        changed = m.apply(subject.document, donor.document, path, kind, random.Random(seed))  # noqa: S311
        finished = m.FINISHES[finish](changed)
        what = f"{subject.name}: {kind} /{'/'.join(map(str, path))}, {finish}, seed {seed}"
        tally.done += 1
        try:
            after = subject.judge(m.dump(finished))
        except Exception as error:  # noqa: BLE001  (whatever it is, the verifier must not stumble over a bundle)
            tally.wrongs.append(f"{what}: the verifier broke: {error!r}")
            continue
        if after is None:
            tally.outcomes["refused"] += 1
            continue
        same = [r.outcome for r in after.results] == [r.outcome for r in subject.before.results]
        tally.outcomes["same" if same else "worse"] += 1
        tally.outcomes["finished" if finished is not changed else "as changed"] += 1
        tally.wrongs += [f"{what}: {wrong}" for wrong in subject.wrongs(path, kind, finish, finished, after)]


@lru_cache(maxsize=8)
def plan(subject: Subject, seed: int) -> list[tuple[m.Path, str, str, int]]:
    """Every way to change every place of the bundle, each finished in every way, in an order of this seed."""
    choose = random.Random(seed)  # noqa: S311  (to be repeated)
    every = [
        (path, kind, finish, choose.getrandbits(32))
        for path, kind in m.ways(subject.document)
        for finish in m.FINISHES
    ]
    choose.shuffle(every)
    return every
