import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest

from backend.kit import ids
from backend.kit.clock import now


@pytest.fixture(autouse=True)
def _sequence_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests set clocks forward, and ids never go back."""
    monkeypatch.setattr(ids, "_sequence", ids._Sequence())


def test_has_the_version_the_variant_and_the_time():
    before = time.time_ns() // 1_000_000
    made = ids.uuid7()
    after = time.time_ns() // 1_000_000

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert before <= made.int >> 80 <= after + 1


def test_sorts_by_creation_inside_a_millisecond():
    made = [ids.uuid7() for _ in range(5_000)]

    assert all(earlier < later for earlier, later in pairwise(made))
    assert all(one.version == 7 for one in made)


def test_stays_sorted_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch):
    first = ids.uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)

    assert ids.uuid7() > first


def test_never_repeats_between_threads():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.uuid7(), range(4_000)))

    assert len(set(made)) == 4_000


def test_ids_made_after_a_moment_are_greater_than_its_first():
    before = ids.since(now() - timedelta(milliseconds=2))
    made = ids.uuid7()

    assert before < made < ids.since(now() + timedelta(seconds=1))
    assert before.version == 7
