"""Brownie is started to compile when something changed, and only then."""

from pathlib import Path

import pytest

from tasks import brownie, ledger
from tasks.networks import NETWORKS, Network


def test_only_what_changed_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("contracts/One.sol", "brownie-config.yaml", "package-lock.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("first")
    count = tmp_path / "count"
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    monkeypatch.setattr(ledger, "BUILD", tmp_path / "build")
    monkeypatch.setattr("tasks.networks.DATA", tmp_path / "data")
    monkeypatch.setattr("tasks.brownie.DATA", tmp_path / "data")
    make = f"mkdir -p {tmp_path}/build/contracts && echo once >> {count}"
    monkeypatch.setattr(brownie, "compile_contracts", lambda: ["sh", "-c", make])
    network: Network = NETWORKS["anvil"]

    def compiled() -> int:
        ledger.compile_contracts(network, "http://127.0.0.1:1")
        return len(count.read_text().splitlines())

    assert compiled() == compiled() == 1
    (tmp_path / "contracts" / "One.sol").write_text("second")
    assert compiled() == 2
    (tmp_path / "contracts" / "One.sol").rename(tmp_path / "contracts" / "Other.sol")
    assert compiled() == 3
    (tmp_path / "build" / "contracts").rmdir()
    assert compiled() == compiled() == 4
