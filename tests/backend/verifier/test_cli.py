"""`tallystick verify` as a bank uses it: answers, exit statuses, and what it says to files that are none."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import typer
from typer.testing import CliRunner

from backend.kit.canonical import encode
from backend.verifier import cli, header, writer
from tests.backend.verifier import world as w

app = typer.Typer()
app.command()(cli.verify)
ADVISORY = dict.fromkeys(
    ("equal-elsewhere", "look-alikes", "not-behind-others", "related", "circles"), "advisory"
)


@pytest.fixture(scope="module")
def healthy():
    return w.build(w.world())


@pytest.fixture
def run(healthy, tmp_path, monkeypatch):
    monkeypatch.setattr(cli.time, "time", lambda: w.NOW)
    bundle, policy = tmp_path / "bundle.json", tmp_path / "policy.json"
    bundle.write_bytes(healthy.raw)
    policy.write_bytes(encode(writer.policy_to_json(healthy.policy) | {"severities": ADVISORY}))

    def verify(*options, file=bundle, policy=policy):
        return CliRunner().invoke(app, [str(file), "--policy", str(policy), *options])

    return verify


def trusted(healthy):
    return "--block-hash", "0x" + healthy.block_hash.hex()


def test_all_that_was_demanded_passes(run, healthy):
    answer = run(*trusted(healthy))
    assert answer.exit_code == cli.OK, answer.output
    assert "The evidence supports at most 11900.00 EUR." in answer.output
    assert max(map(len, answer.output.splitlines())) <= 80


def test_without_a_block_hash_it_cannot_tell(run):
    answer = run()
    assert answer.exit_code == cli.UNKNOWN
    assert "Give --block-hash or --rpc" in answer.output


def test_another_block_hash_fails(run):
    assert run("--block-hash", "0x" + "00" * 32).exit_code == cli.FAILED


def test_json_and_chinese(run, healthy):
    answer = run(*trusted(healthy), "--json", "--language", "zh")
    found = json.loads(answer.stdout)
    assert found["sum"]["outcomes"]["fail"] == 0
    assert found["checks"][0]["title"] == "区块"


def test_explain_one_check(run, healthy):
    answer = run(*trusted(healthy), "--explain", "signature")
    assert "not who held the pen" in answer.output
    assert "/confirmation" in answer.output
    assert run("--explain", "nonsense").exit_code == cli.UNREADABLE


def test_the_makers_policy_is_not_believed(run, healthy, tmp_path):
    """The bundle's own policy pins everything; without a policy of the reader's nothing is pinned."""
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    answer = run(*trusted(healthy), "--json", policy=empty)
    outcomes = {check["check"]: check["outcome"] for check in json.loads(answer.stdout)["checks"]}
    assert (outcomes["contracts"], outcomes["debtor-key"]) == ("cannot-tell", "cannot-tell")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "an object belongs here"),
        (b'{"format": "tallystick-bundle/9"}', "tallystick-bundle/2 belongs here"),
        (b'{"format": "tallystick-bundle/2"}', "/ledger: missing"),
    ],
)
def test_files_that_are_no_bundle(run, tmp_path, content, says):
    file = tmp_path / "other.json"
    file.write_bytes(content)
    answer = run(file=file)
    assert answer.exit_code == cli.UNREADABLE
    assert says in answer.output


def test_unknown_members_and_missing_files(run, healthy, tmp_path):
    file = tmp_path / "more.json"
    file.write_bytes(healthy.raw[:-1] + b',"zzz":1}')
    assert "/zzz: this format has no such member" in run(file=file).output
    assert run(file=tmp_path / "none.json").exit_code == cli.UNREADABLE
    assert run("--block-hash", "0x12").exit_code == cli.UNREADABLE
    policy = tmp_path / "bad.json"
    policy.write_text('{"severities": {"claim": "nice"}}')
    assert "one of required, advisory" in run(policy=policy).output


@pytest.fixture
def node(healthy):
    """A node that answers what the test tells it."""
    answers = {"eth_chainId": hex(w.CHAIN), "eth_getBlockByNumber": None}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": answers[asked["method"]]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    server.server_close()


def block_json(healthy):
    """The block of the bundle as a node gives it."""
    encoded = bytes.fromhex(json.loads(healthy.raw)["block"][2:])
    fields = header.evm.decode(encoded)
    quantity = {name: hex(int.from_bytes(v, "big")) for name, v in zip(header.FIELDS, fields, strict=False)}
    raw = {name: "0x" + v.hex() for name, v in zip(header.FIELDS, fields, strict=False)}
    given = {name: quantity[name] if name in header.QUANTITIES else raw[name] for name in raw}
    return given | {"hash": "0x" + healthy.block_hash.hex()}


def test_own_nodes_are_asked_and_compared(run, healthy, node):
    url, answers = node
    answers["eth_getBlockByNumber"] = block_json(healthy)
    assert run("--rpc", url).exit_code == cli.OK
    assert run("--rpc", url, "--rpc", url).exit_code == cli.OK
    assert "do not agree" in run("--rpc", url, "--block-hash", "0x" + "11" * 32).output


def test_a_node_without_the_block_cannot_tell(run, node):
    url, _ = node
    assert run("--rpc", url).exit_code == cli.UNKNOWN


def test_a_node_of_another_chain_or_that_lies_is_an_error(run, healthy, node):
    url, answers = node
    answers["eth_getBlockByNumber"] = block_json(healthy) | {"gasUsed": "0x99"}
    assert "no known form of header" in run("--rpc", url).output
    answers["eth_getBlockByNumber"] = block_json(healthy)
    answers["eth_chainId"] = "0x1"
    assert run("--rpc", url).exit_code == cli.UNREADABLE
    assert run("--rpc", "http://127.0.0.1:1").exit_code == cli.UNREADABLE
    assert "http://" in run("--rpc", "file:///etc/passwd").output


def test_it_loads_no_server_database_or_network_library():
    loaded = "import backend.verifier.cli, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    found = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"fastapi", "sqlalchemy", "httpx", "web3", "uvicorn", "eth_account", "trie"} & set(found)
