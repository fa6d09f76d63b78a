"""Each finding of slither needs an explanation of its own place, and each explanation a finding."""

from tasks.analysers import EXPLAINED, unexplained


def finding(check: str, contract: str, function: str) -> dict[str, object]:
    parent = {"type": "contract", "name": contract}
    element = {"type": "function", "name": function, "type_specific_fields": {"parent": parent}}
    return {"check": check, "impact": "High", "description": "told\n", "elements": [element]}


def test_what_is_explained_elsewhere_is_not_explained_here() -> None:
    here = finding("weak-prng", "Accounting", "_share")
    assert unexplained([here], {("weak-prng", "Accounting._share"): "no chance"}) == []
    problems = unexplained([here], {("weak-prng", "Accounting._whole"): "no chance"})
    assert problems == [
        "High ('weak-prng', 'Accounting._share'): told",
        "explained, but not found: ('weak-prng', 'Accounting._whole')",
    ]


def test_every_explanation_says_something() -> None:
    assert all(len(reason) > 10 for reason in EXPLAINED.values())
