"""What the tests said of each mutant, for as long as it is true.

A suite tests the files it imports, directly or not, and nothing else. So a mutant is shown only to suites
that import its file; that one of them kills it stays true until a file of that suite changes, and that
none does until a file of any of them changes; or until `tasks.mutants` makes other mutants of them.
"""

import hashlib
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tasks import mutants
from tasks.environment import ROOT
from tasks.mutants import Mutant

TESTS = "tests/contracts/forge"
SURVIVED = ""
LOST = "timeout"
"""Instead of a killer: no test fails; or none comes to an end, which the suite would notice."""

_COMMON = 12


class Suites:
    """The test files as they are now, and what each imports. Not the invariants, which take minutes."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        found = sorted(root.glob(f"{TESTS}/*.t.sol"))
        names = [str(path.relative_to(root)) for path in found if "Invariants" not in path.name]
        self._files = {name: self.imported([name]) for name in names}

    def files(self) -> set[str]:
        """All files that the suites need, themselves included."""
        return set().union(*self._files.values())

    def of(self, file: str) -> tuple[str, ...]:
        """The suites that import a file."""
        return tuple(suite for suite, files in self._files.items() if file in files)

    @cache  # noqa: B019 - there is one of these in a run
    def digest(self, suites: tuple[str, ...]) -> str:
        """Of the content of all that these suites import; empty if one is no more."""
        if not self._files.keys() >= set(suites):
            return ""
        files = sorted(set().union(*(self._files[suite] for suite in suites)))
        content = b"".join(file.encode() + b"\0" + self._text(file).encode() for file in files)
        content += Path(mutants.__file__).read_bytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def imported(self, some: Iterable[str]) -> set[str]:
        """These files and all that they import, directly or not."""
        files, waiting = set[str](), list(some)
        while waiting:
            file = waiting.pop()
            if file in files:
                continue
            files.add(file)
            names = re.findall(r'^(?:import|\}) .*?"(\.[^"]+)";', self._text(file), re.MULTILINE)
            folder = posixpath.dirname(file)
            waiting += [posixpath.normpath(posixpath.join(folder, name)) for name in names]
        return files

    @cache  # noqa: B019 - there is one of these in a run
    def _text(self, file: str) -> str:
        return (self._root / file).read_text()


class Verdicts:
    """The killer of each mutant by the mutant's key, as `suite:test`, `SURVIVED` or `LOST`, in a file."""

    def __init__(self, file: Path, suites: Suites) -> None:
        self._file = file
        self._suites = suites
        self._all: dict[str, list[str]] = json.loads(file.read_text()) if file.exists() else {}

    def is_known(self, mutant: Mutant) -> bool:
        """Whether there is a verdict, and it is of the sources as they are."""
        killer, digest = self._all.get(mutant.key, ("", ""))
        return bool(digest) and digest == self._digest(mutant, killer)

    def killer(self, mutant: Mutant) -> str:
        """The verdict. Raises KeyError if there is none."""
        return self._all[mutant.key][0]

    def put(self, mutant: Mutant, killer: str) -> None:
        """Notes a verdict at once."""
        self._all[mutant.key] = [killer, self._digest(mutant, killer)]
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(self._all, indent=0, sort_keys=True))
        draft.replace(self._file)

    def likely(self, mutant: Mutant) -> list[str]:
        """Tests that killed it before, or others of its function, or many of its contract."""
        of_contract, of_function = Counter[str](), set[str]()
        for key, (killer, _) in self._all.items():
            if ":" in killer and _contract(key) == _contract(mutant.key):
                of_contract[killer] += 1
                if _function(key) == _function(mutant.key):
                    of_function.add(killer)
        common = {killer for killer, _ in of_contract.most_common(_COMMON)}
        reaching = set(self._suites.of(mutant.file))
        return sorted(each for each in of_function | common if each.partition(":")[0] in reaching)

    def _digest(self, mutant: Mutant, killer: str) -> str:
        suite, colon, _ = killer.partition(":")
        return self._suites.digest((suite,) if colon else self._suites.of(mutant.file))


def _function(key: str) -> str:
    return key.partition(": ")[0]


def _contract(key: str) -> str:
    return _function(key).partition(".")[0]
