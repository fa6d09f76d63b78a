"""The deployment and admission scripts on a fresh chain: what is missing is done, and nothing twice."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brownie
import pytest

from scripts import plan, session
from scripts.admit import admit
from scripts.deploy import deploy
from scripts.make_keys import fingerprint_public_key, make_keys
from scripts.parties import PartyFolder
from scripts.record import Record
from scripts.session import ScriptError, Session
from tasks import networks
from tasks.environment import ROOT
from tasks.networks import TEST_CHAINS, Network

pytestmark = pytest.mark.main_path
SAMPLES = ROOT / "samples" / "parties.toml"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Session]]:
    """Opens sessions on the test chain, each as a run would, with keys and records of its own."""
    folder = tmp_path_factory.mktemp("ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "DATA", folder)
        patch.setenv("PARTIES", str(SAMPLES))
        network = Network("test", "anvil", brownie.chain.id, "the chain of this test")
        make_keys(network.keys)
        session._forget_brownies_own_records()

        def open_session() -> Session:
            record = Record(network.deployment, network.chain_id)
            return Session(network, session._settings("anvil"), record)

        first = open_session()
        brownie.accounts[0].transfer(first.address("deployer"), "20 ether")
        deploy(first)
        yield open_session


def sent(opened: Session) -> int:
    count: int = brownie.web3.eth.get_transaction_count(opened.address("deployer"))
    return count


def test_everything_is_deployed_and_tied_together(opened: Callable[[], Session]) -> None:
    ledger = opened()
    assert set(plan.CONTRACTS) <= set(ledger.record.contracts)
    receivables = ledger.contract("Receivables")
    assert ledger.contract("Fingerprints").isWriter(receivables.address)
    assert receivables.operatorState(ledger.contract("Financing").address) == plan.ACTIVE
    assert ledger.contract("ProvenanceLog").isAnchorer(ledger.address("relayer"))
    fingerprints = ledger.contract("Fingerprints")
    keys = [bytes(key) for key in fingerprints.keysOf(fingerprints.currentKeySet())]
    assert keys == [fingerprint_public_key(ledger.network.keys)]
    assert brownie.web3.eth.get_balance(ledger.address("relayer")) > 0


def test_the_record_says_what_stands_on_the_chain(opened: Callable[[], Session]) -> None:
    record = opened().record.data
    first = brownie.web3.eth.get_block(record["block"])
    assert record["block_hash"] == first["hash"].to_0x_hex()
    assert record["compiler"]["evm_version"] == "shanghai"
    assert record["contracts"]["Receivables"]["eip712"] == {"name": "Tallystick Receivables", "version": "1"}
    assert {token["currency"] for token in record["tokens"].values()} == {"EUR", "CNY"}


def test_a_second_deployment_sends_nothing(opened: Callable[[], Session]) -> None:
    before = sent(opened())
    deploy(opened())
    assert sent(opened()) == before


def test_what_was_lost_from_the_record_is_deployed_again_with_its_ties(opened: Callable[[], Session]) -> None:
    # As if a run had been cut off before Financing was written down.
    ledger = opened()
    lost = ledger.record.contracts.pop("Financing")["address"]
    kept = {name: entry["address"] for name, entry in ledger.record.contracts.items()}
    ledger.record.save()
    before = sent(ledger)
    deploy(opened())
    after = opened()
    financing = after.contract("Financing").address
    assert financing != lost
    assert after.contract("Receivables").operatorState(financing) == plan.ACTIVE
    assert kept.items() <= {name: entry["address"] for name, entry in after.record.contracts.items()}.items()
    assert sent(after) == before + 2


def test_a_public_ledger_is_not_replaced_in_passing(opened: Callable[[], Session]) -> None:
    ledger = opened()
    ledger.network = Network("public", "remote", min(TEST_CHAINS), "a chain others use")
    ledger.record.contracts["ProvenanceLog"]["creation_hash"] = "0x" + "00" * 32
    before = sent(opened())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEYS", str(opened().network.keys))
        with pytest.raises(ScriptError, match="not replaced in passing"):
            deploy(ledger)
    assert sent(opened()) == before


def test_no_test_chain_s_settings_where_there_is_money(opened: Callable[[], Session]) -> None:
    ledger = opened()
    ledger.network = Network("public", "remote", 1, "a chain with real money")
    before = sent(opened())
    with pytest.raises(ScriptError, match=r"role_delays\.steward is zero"):
        deploy(ledger)
    assert sent(opened()) == before


def test_a_ledger_whose_roles_must_wait(opened: Callable[[], Session], tmp_path: Path) -> None:
    ledger = opened()
    ledger.record = Record(tmp_path / "deployment.json", ledger.network.chain_id)
    steps = ledger.settings["role_delays"]
    ledger.settings["role_delays"] = dict.fromkeys(steps, 86_400) | {"guardian": 0}
    ledger.settings["roles"] = ledger.settings["roles"] | {"administrator": ledger.address("supervisor")}
    deploy(ledger)
    receivables, governance = ledger.contract("Receivables"), ledger.contract("Governance")
    steward = {"from": ledger.key("deployer")}
    with brownie.reverts():
        receivables.setOperator(brownie.accounts[1], plan.ACTIVE, steward)
    with brownie.reverts():
        governance.grantRole(3, brownie.accounts[1], 0, steward)
    receivables.pause(steward)
    assert tuple(governance.hasRole(0, ledger.address("supervisor"))) == (True, 86_400)
    assert not governance.hasRole(0, ledger.address("deployer"))[0]
    before = sent(opened())
    deploy(ledger)
    assert sent(opened()) == before


def test_roles_hold_and_nobody_else_does(opened: Callable[[], Session]) -> None:
    ledger = opened()
    participants = ledger.contract("Participants")
    with brownie.reverts():
        participants.suspend([brownie.ZERO_ADDRESS], "0x" + "00" * 32, {"from": brownie.accounts[1]})
    governance = ledger.contract("Governance")
    for role in plan.ROLES:
        assert governance.hasRole(role.id, ledger.address(ledger.settings["roles"][role.name]))[0]
        assert not governance.hasRole(role.id, brownie.accounts[1])[0]


def test_parties_are_admitted_once(opened: Callable[[], Session]) -> None:
    ledger = opened()
    admit(ledger)
    participants = ledger.contract("Participants")
    folder = ledger.network.folder / "parties"
    supplier, auditor = (PartyFolder(folder, name).load() for name in ("supplier", "auditor"))
    assert supplier is not None
    assert auditor is not None
    (admission,) = participants.admissions(supplier.account)
    assert admission[2] == 0b1001
    assert auditor.account == ""
    assert wallet_of(ledger, PartyFolder(folder, "buyer")) == 100_000_000 * 10**4
    before = sent(ledger)
    admit(opened())
    assert sent(ledger) == before
    assert PartyFolder(folder, "supplier").load() == supplier


def wallet_of(ledger: Session, folder: PartyFolder) -> Any:
    kept = folder.load()
    assert kept is not None
    return ledger.contract("tEUR", "TestCurrency").balanceOf(kept.signer)
