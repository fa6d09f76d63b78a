"""A chain of invoices to index, made without a node: `Chain` writes its logs to a file, `serve` answers.

A node that runs the contracts makes some thousand events a second and would be all that is measured. These
are the contracts' own events, encoded by eth-abi from the ABI the repository compiles to, in the JSON that
Anvil answers with; what stands behind them is true (ids are the terms' hashes, money adds up), only no
contract ran. The server copies bytes out of the file.
"""

import json
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_utils.address import to_checksum_address

from backend.chain.abi import Abi, Item, _type
from backend.chain.contracts import Contract, Contracts
from backend.receivables.model import Terms
from tasks.environment import ROOT, SOLC_FOLDER

CHAIN_ID = 31337
MINTS_A_BLOCK = 200
START = 1_790_000_000
PARTIES = 100
ZERO = "0x" + "00" * 20
_NAMES = ("Participants", "Fingerprints", "Receivables")


def account(number: int) -> str:
    """A party's account."""
    return str(to_checksum_address((0xAC0000 + number).to_bytes(20, "big")))


def contracts() -> Contracts:
    """The contracts that speak on this chain, with the ABI the repository compiles to."""
    settings = {
        "language": "Solidity",
        "sources": {
            f"contracts/{name}.sol": {"content": (ROOT / "contracts" / f"{name}.sol").read_text()}
            for name in _NAMES
        },
        "settings": {
            "evmVersion": "shanghai",
            "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
            "outputSelection": {"*": {"*": ["abi"]}},
        },
    }
    (solc,) = SOLC_FOLDER.glob("solc-v*")
    done = subprocess.run(
        [solc, "--standard-json"],
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    compiled = json.loads(done.stdout)["contracts"]
    made = [
        Contract(
            name,
            str(to_checksum_address((0xC0 + number).to_bytes(20, "big"))),
            Abi(compiled[f"contracts/{name}.sol"][name]["abi"]),
        )
        for number, name in enumerate(_NAMES)
    ]
    return Contracts(CHAIN_ID, 1, block_hash(0), made)


def block_hash(number: int) -> str:
    """The hash this chain gives a block."""
    return f"0xb10c{number:060x}"


class Chain:
    """So many confirmed invoices, one in ten of them later paid in part and one in ten sold in part.

    Each is issued, its units made, confirmed, and its fingerprint taken: four events. `logs` is how many
    there are in all, `blocks` the number of the last block.
    """

    def __init__(self, folder: Path, contracts: Contracts, invoices: int) -> None:
        spoken = sorted(each.hash for name in _NAMES for each in contracts[name].abi.events.values())
        self.path = folder / f"chain-{invoices}-{sha256(b''.join(spoken)).hexdigest()[:8]}.json"
        self.contracts, self.invoices = contracts, invoices
        self.logs, self.blocks = 0, 0
        self._places: list[int] = [0, 0]
        if not self.path.with_suffix(".done").exists():
            self._write()
        self.logs, self.blocks, self._places = json.loads(self.path.with_suffix(".done").read_text())

    def _write(self) -> None:
        encoders = {
            name: _Encoder(self.contracts, contract, name)
            for contract, name in (
                ("Receivables", "Issued"),
                ("Receivables", "TransferSingle"),
                ("Receivables", "Confirmed"),
                ("Receivables", "Paid"),
                ("Fingerprints", "FingerprintTaken"),
            )
        }
        with self.path.open("wb") as out:
            for start in range(0, self.invoices, MINTS_A_BLOCK):
                self.blocks += 1
                logs = [
                    encoders[name].log(args)
                    for number in range(start, min(start + MINTS_A_BLOCK, self.invoices))
                    for name, args in _events(number)
                ]
                self.logs += len(logs)
                for place, log in enumerate(logs):
                    out.write(_as_json(log, self.blocks, place) + b",")
                self._places.append(out.tell())
        self.path.with_suffix(".done").write_text(json.dumps([self.logs, self.blocks, self._places]))

    def between(self, first: int, last: int) -> bytes:
        """The logs of these blocks, as a node lists them."""
        last = min(last, self.blocks)
        if first > last:
            return b"[]"
        start, end = self._places[max(first, 1)], self._places[last + 1]
        with self.path.open("rb") as file:
            file.seek(start)
            return b"[" + file.read(end - start)[:-1] + b"]"


class _Encoder:
    """Writes one kind of event."""

    def __init__(self, contracts: Contracts, contract: str, name: str) -> None:
        self.address = contracts[contract].address.lower()
        self.item: Item = next(each for each in contracts[contract].abi.events.values() if each.name == name)
        self.indexed = [each for each in self.item.inputs if each.get("indexed")]
        self.rest = [each for each in self.item.inputs if not each.get("indexed")]

    def log(self, args: dict[str, Any]) -> dict[str, Any]:
        topics = [self.item.hash] + [
            encode([each["type"]], [_plain(each, args[each["name"]])]) for each in self.indexed
        ]
        data = encode(
            [_type(each) for each in self.rest], [_plain(each, args[each["name"]]) for each in self.rest]
        )
        return {
            "address": self.address,
            "topics": ["0x" + each.hex() for each in topics],
            "data": "0x" + data.hex(),
        }


def _plain(shape: Any, value: Any) -> Any:
    if shape["type"] == "tuple":
        return tuple(_plain(each, value[each["name"]]) for each in shape["components"])
    return bytes.fromhex(value[2:]) if shape["type"].startswith("bytes") else value


def _as_json(log: dict[str, Any], block: int, place: int) -> bytes:
    whole = log | {
        "blockHash": block_hash(block),
        "blockNumber": hex(block),
        "blockTimestamp": hex(START + block),
        "transactionHash": f"0x7a{block:030x}{place // 4:032x}",
        "transactionIndex": hex(place // 4),
        "logIndex": hex(place),
        "removed": False,
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def terms(number: int) -> Terms:
    """The terms of an invoice."""
    return Terms(
        supplier=account(number % PARTIES),
        debtor=account(PARTIES + number // 7 % PARTIES),
        token=account(9_000),
        currency="EUR",
        amount=10_000 + number % 1_000_000,
        dueEnd=START + 10_000_000,
        graceDays=30,
        lateRate=80_000,
        undertaking=0,
        paymentOrder=0,
        keySet=1,
        fingerprint=f"0xf1{number:062x}",
        otherFingerprints="0x" + "00" * 32,
        documentRoot=f"0xd0{number:062x}",
        rules="0x" + "00" * 32,
    )


def _events(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    made = terms(number)
    key = made.id
    yield "Issued", {"id": key, **made.message()}
    yield "TransferSingle", _move(key, ZERO, made.supplier, made.amount)
    yield (
        "Confirmed",
        {
            "id": key,
            "debtor": made.debtor,
            "signer": made.debtor,
            "cosigner": ZERO,
            "nonce": number,
            "deadline": START + 1_000_000,
        },
    )
    yield "FingerprintTaken", {"debtor": made.debtor, "fingerprint": made.fingerprint, "id": key}
    earlier = number - 5_000
    if earlier < 0 or number % 10 not in (0, 5):
        return
    old = terms(earlier)
    if number % 10 == 5:
        yield "TransferSingle", _move(old.id, old.supplier, account(5_000), old.amount // 2)
    else:
        paid = old.amount // 3
        unpaid = {"face": paid, "interest": 0, "unpaid": old.amount - paid, "settled": False}
        yield "Paid", {"id": old.id, "payer": old.debtor, **unpaid}


def _move(key: str, giver: str, taker: str, units: int) -> dict[str, Any]:
    return {"operator": giver, "from": giver, "to": taker, "id": int(key, 16), "value": units}


def serve(chain: Chain, port: int, beyond: int) -> None:
    """Answers for the chain, whose head is `beyond` empty blocks above the last with logs; never returns."""
    head = chain.blocks + beyond

    class Node(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            several = body if isinstance(body, list) else [body]
            answers = b",".join(
                b'{"jsonrpc":"2.0","id":%d,"result":%s}'
                % (each["id"], _answer(each["method"], each["params"]))
                for each in several
            )
            whole = b"[" + answers + b"]" if isinstance(body, list) else answers
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole)

        def log_message(self, *_: Any) -> None:
            pass

    def _answer(method: str, params: list[Any]) -> bytes:
        if method == "eth_chainId":
            return b'"%s"' % hex(CHAIN_ID).encode()
        if method == "eth_blockNumber":
            return b'"%s"' % hex(head).encode()
        if method == "eth_getBlockByNumber":
            number = head if params[0] == "latest" else int(params[0], 16)
            return json.dumps(_header(number)).encode() if number <= head else b"null"
        if method == "eth_getLogs":
            if "blockHash" in params[0]:
                number = int(params[0]["blockHash"][6:], 16)
                return chain.between(number, number)
            return chain.between(int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16))
        raise ValueError(method)

    ThreadingHTTPServer(("127.0.0.1", port), Node).serve_forever()


def _header(number: int) -> dict[str, Any]:
    return {
        "number": hex(number),
        "hash": block_hash(number),
        "parentHash": block_hash(number - 1) if number else "0x" + "00" * 32,
        "timestamp": hex(START + number),
        "logsBloom": "0x" + "00" * 256,
    }
