"""What the offline verifier knows of the contracts is what the compiler says of them now."""

import json

from scripts import describe_contracts


def test_the_verifier_knows_the_contracts_as_they_are() -> None:
    found = describe_contracts.describe(describe_contracts.compile_contracts())
    known = json.loads(describe_contracts.OUTPUT.read_text(encoding="utf-8"))
    assert found == known, "run python scripts/describe_contracts.py"
