"""Only so much is remembered, and what was asked for longest."""

from backend.kit.recent import Recent


def test_what_was_not_asked_for_longest_makes_room() -> None:
    recent: Recent[str, int] = Recent(2)
    assert recent.get("a") is None
    assert [recent.keep("a", 1), recent.keep("b", 2), recent.get("a")] == [1, 2, 1]
    recent.keep("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]
    assert recent.keep("a", 4) == recent.get("a") == 4
    recent.keep("d", 5)
    assert [recent.get(key) for key in "acd"] == [4, None, 5]
