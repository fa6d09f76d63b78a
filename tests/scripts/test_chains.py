"""Local chains keep their state whatever is killed, and say what is wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks import rpc
from tasks.environment import ROOT
from tasks.snapshots import Snapshots, is_whole

RECIPIENT = "0x00000000000000000000000000000000000a11ce"
Keeper = Callable[..., "Chain"]


class Chain:
    """A keeper process and the chain it keeps, in a data folder of its own."""

    def __init__(self, data: Path, network: str, port: int) -> None:
        self.folder = data / network
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tasks", "chain", "--network", network, "--rpc-port", str(port)],
            cwd=ROOT,
            env=os.environ | {"DATA_FOLDER": str(data)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line)
            if "answers at" in line:
                return
        raise AssertionError("".join(self.said))

    def pay(self, count: int) -> None:
        """Pays 1 wei so many times and waits until all of it has arrived."""
        sender = rpc.call(self.url, "eth_accounts")[0]
        expected = self.received + count
        for _ in range(count):
            rpc.call(
                self.url,
                "eth_sendTransaction",
                {"from": sender, "to": RECIPIENT, "value": "0x1", "gasPrice": hex(2 * 10**9)},
            )
        while self.received < expected:
            time.sleep(0.02)

    @property
    def received(self) -> int:
        return int(rpc.call(self.url, "eth_getBalance", RECIPIENT, "latest"), 16)

    @property
    def node_pid(self) -> int:
        record = next((self.folder / "run" / "chain").glob("[ag]*.json"))
        pid: int = json.loads(record.read_text())["pid"]
        return pid

    def stop(self) -> int:
        self.process.terminate()
        return self.ended()[0]

    def ended(self) -> tuple[int, str]:
        """Its exit code and what else it said."""
        assert self.process.stdout is not None
        last_words = "" if self.process.stdout.closed else self.process.stdout.read()
        self.process.stdout.close()
        return self.process.wait(30), last_words


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    chains: list[Chain] = []

    def start(network: str = "anvil", port: int | None = None) -> Chain:
        chains.append(Chain(tmp_path, network, port or free_port()))
        return chains[-1]

    yield start
    for chain in chains:
        chain.stop()


@pytest.mark.parametrize("network", ["anvil", "ganache"])
def test_a_stopped_chain_goes_on_where_it_was(network: str, keeper: Keeper) -> None:
    chain = keeper(network)
    chain.pay(3)
    height = rpc.block_number(chain.url)
    newest = rpc.call(chain.url, "eth_getBlockByNumber", "latest", False)["hash"]
    assert chain.stop() == 0
    again = keeper(network)
    assert rpc.block_number(again.url) == height
    assert rpc.call(again.url, "eth_getBlockByNumber", "latest", False)["hash"] == newest
    again.pay(1)
    assert again.received == 4


def test_anvil_killed_loses_at_most_what_was_not_saved(keeper: Keeper) -> None:
    chain = keeper()
    saved = chain.folder / "chain" / "state.json"
    for count in range(1, 4):
        chain.pay(5)
        os.kill(chain.node_pid, signal.SIGKILL)
        code, last_words = chain.ended()
        assert code == 1
        assert "ended by itself" in last_words
        assert not saved.exists() or is_whole(saved)
        chain = keeper()
        before = chain.received
        assert before <= 5 * count
        chain.pay(5 * count - before)  # what was lost is sent again
        assert chain.received == 5 * count


def test_a_killed_keeper_loses_nothing(keeper: Keeper) -> None:
    chain = keeper()
    chain.pay(4)
    orphan = chain.node_pid
    chain.process.kill()
    chain.ended()
    again = keeper(port=free_port())
    assert any(f"process {orphan}" in line for line in again.said)
    assert again.received == 4


def test_half_a_file_is_set_aside_for_the_generation_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def state(number: int) -> bytes:
        return json.dumps({"accounts": {}, "block": number, "blocks": [], "transactions": []}).encode()

    snapshots = Snapshots(tmp_path)
    assert snapshots.best() is None
    snapshots.write(state(1))
    snapshots.write(state(2))
    assert json.loads((tmp_path / "state.json").read_bytes())["block"] == 2
    (tmp_path / "state.json").write_bytes(state(3)[:-7])
    reopened = Snapshots(tmp_path)
    best = reopened.best()
    assert best == tmp_path / "state.previous.json"
    assert json.loads(best.read_bytes())["block"] == 1
    assert "cannot be read" in capsys.readouterr().out
    assert (tmp_path / "state.broken").exists()
    reopened.write(state(4))
    assert json.loads((tmp_path / "state.previous.json").read_bytes())["block"] == 1


def test_the_testnet_stand_in_has_no_unlocked_accounts(keeper: Keeper) -> None:
    chain = keeper("testnet-local")
    assert rpc.chain_id(chain.url) == 11155111
    assert rpc.call(chain.url, "eth_accounts") == []
    assert int(rpc.call(chain.url, "eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16) > 0
    with pytest.raises(rpc.RpcRefused, match="No Signer"):
        rpc.call(chain.url, "eth_sendTransaction", {"from": RECIPIENT, "to": RECIPIENT})


def command(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATA_FOLDER": str(data)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        answer = command(tmp_path, "chain", "--rpc-port", str(port))
    assert answer.returncode == 1
    assert f"error: Port {port} is taken by another program" in answer.stdout
    assert "Traceback" not in answer.stderr


def test_the_port_of_last_time_is_used_again_if_it_is_free(keeper: Keeper, tmp_path: Path) -> None:
    chain = keeper()
    assert json.loads((tmp_path / "anvil" / "chain.json").read_text())["rpc_url"] == chain.url
    second = command(tmp_path, "chain")
    assert second.returncode == 1
    assert f"already runs at {chain.url}" in second.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["chain", "--network", "mars"], "There is no network 'mars'. Known: anvil, ganache"),
        (["chain", "--rpc-port", "70000"], "RPC_PORT=70000 is no port"),
        (["chain", "--network", "sepolia"], "sepolia is a public network"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    answer = command(tmp_path, *arguments)
    assert answer.returncode == 1
    assert sentence in answer.stdout
    assert not answer.stderr


def test_a_taken_port_of_the_api_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        answer = command(tmp_path, "demo", "--port", str(port))
    assert answer.returncode == 1
    assert f"error: Port {port} is taken by another program. Choose another with PORT=" in answer.stdout
    assert not list(tmp_path.glob("*/logs/*"))


def test_a_public_node_that_is_not_named_or_silent_or_of_another_chain(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        answer = command(tmp_path, "status", "--network", "sepolia")
        assert answer.returncode == 1
        assert not answer.stderr
        return answer.stdout

    monkeypatch.delenv("RPC_URL", raising=False)
    assert said() == "error: Set RPC_URL to the address of a node of sepolia.\n"

    monkeypatch.setenv("RPC_URL", f"http://127.0.0.1:{rpc.choose_port(None, 0, '')}/v3/secret-of-a-provider")
    assert said().startswith("error: No node answers at http://127.0.0.1:")
    assert "secret" not in said()

    monkeypatch.setenv("RPC_URL", keeper().url)
    assert said() == "error: The node at RPC_URL is on chain 31337; sepolia is chain 11155111.\n"
