"""Ways to tamper with a bundle, and the work a forger would do afterwards: recompute every hash it can.

`ways` lists every way for every place of a bundle; `apply` makes one change; one of `FINISHES` then makes the
rest fit: hashes, signatures by the forger's own keys, even the state and the block.
"""

import base64
import binascii
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account
from trie import HexaryTrie
from trie.exceptions import MissingTrieNode

from backend.kit import disclosure, merkle, sparse
from backend.kit.canonical import Number, encode, parse
from backend.verifier import capture, checkpoint, evm, header, layout, leaf, logmap, terms, typed_data
from backend.verifier.checks import record
from backend.verifier.ledger import Head

SCALARS = (None, True, False, "", "0", "1", "0x", "0x00", "valid", Number("-1"), str(2**64), [], {})
FORGER = Account.from_key(evm.keccak(b"a forger's key"))
FORGED_WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))

Path = tuple[str | int, ...]
_EXPECTED = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, AssertionError,
    binascii.Error, rlp.DecodingError, MissingTrieNode,
)  # fmt: skip
"""What recomputing runs into when the change took away what it needs; then the bundle stays as it is."""


def load(raw: bytes) -> Any:
    """A bundle to tamper with; numbers keep their text, or every change would change them all."""
    return parse(raw)


def dump(document: Any) -> bytes:
    return encode(document)


def paths(document: Any, prefix: Path = ()) -> Iterator[Path]:
    """Every place in a JSON document."""
    yield prefix
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for name, value in items:
        yield from paths(value, (*prefix, name))


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def ways(document: Any) -> list[tuple[Path, str]]:
    """Every way to change every place: `change`, `scalar`, `remove`, `swap`; in lists `duplicate`, and of
    lists `reorder` and `empty`."""
    found = []
    for path in paths(document):
        if not path:
            continue
        value = at(document, path)
        kinds = ["remove", "swap", "scalar"]
        if not isinstance(value, dict | list):
            kinds += ["change", "change"]
        if isinstance(value, list) and len(value) > 1:
            kinds.append("reorder")
        if value and isinstance(value, dict | list):
            kinds.append("empty")
        if isinstance(path[-1], int):
            kinds.append("duplicate")
        found += [(path, kind) for kind in kinds]
    return found


def apply(document: Any, donor: Any, path: Path, kind: str, choose: random.Random) -> Any:
    """A copy with one change. What is not on the way to it is shared with the original."""
    changed = _copy_to(document, path)
    parent, name = at(changed, path[:-1]), path[-1]
    value = parent[name]
    if kind == "remove":
        del parent[name]
    elif kind == "change":
        parent[name] = _nudge(value, choose)
    elif kind == "duplicate":
        parent.insert(choose.randrange(len(parent) + 1), value)
    elif kind == "reorder":
        shuffled = list(value)
        while shuffled == value and any(each != value[0] for each in value):
            choose.shuffle(shuffled)
        parent[name] = shuffled
    elif kind == "empty":
        parent[name] = type(value)()
    elif kind == "swap":
        parent[name] = _counterpart(donor, path, value, choose)
    else:
        parent[name] = choose.choice(SCALARS)
    return changed


def mutate(document: Any, donor: Any, choose: random.Random) -> tuple[Any, str]:
    """One change at random, and what it was."""
    path, kind = choose.choice(ways(document))
    return apply(document, donor, path, kind, choose), f"{kind} /{'/'.join(map(str, path))}"


def _copy_to(document: Any, path: Path) -> Any:
    copied: Any = document.copy()
    if len(path) > 1:
        copied[path[0]] = _copy_to(document[path[0]], path[1:])
    return copied


def deep_copy(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: deep_copy(value) for name, value in document.items()}
    return [deep_copy(value) for value in document] if isinstance(document, list) else document


def _counterpart(donor: Any, path: Path, value: Any, choose: random.Random) -> Any:
    """What the other bundle has in this place, or in a place like it that holds something else."""
    alike = [*path[:-1]]
    try:
        found = at(donor, path)
        if found != value:
            return found
        siblings = at(donor, tuple(alike))
        others = siblings if isinstance(siblings, list) else list(siblings.values())
        return choose.choice([each for each in others if each != value] or [found])
    except (KeyError, IndexError, TypeError):
        return choose.choice(SCALARS)


def _nudge(value: Any, choose: random.Random) -> Any:
    """The smallest change of a value that still looks like one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Number):
        return Number(value.text[:-1] + choose.choice("0123456789".replace(value.text[-1], "")))
    if not isinstance(value, str) or not value:
        return choose.choice(SCALARS)
    if value.isdigit():
        return str(abs(int(value) + choose.choice((-1, 1, 10, -10))))
    start = 2 if value.startswith("0x") and len(value) > 2 else 0
    position = choose.randrange(start, len(value))
    letters = "0123456789abcdef" if start else "ABCxyz019"
    return value[:position] + choose.choice(letters.replace(value[position], "")) + value[position + 1 :]


def rehash(document: Any) -> Any:
    """Recomputes what a forger can without keys: salted hashes, leaves, tree, paths, map, heads.

    What stands on the chain, and what somebody signed, it cannot.
    """
    return _finished(document, _rehash_fields, _rehash_log)


def resign(document: Any) -> Any:
    """Recomputes the hashes, and signs with keys of the forger's own what others had signed."""
    return _finished(document, _rehash_fields, _resign_captures, _rehash_log, _resign)


def restate(document: Any) -> Any:
    """All that, and a state that says it is true, under a header that has this state's root."""
    return _finished(document, _rehash_fields, _resign_captures, _rehash_log, _resign, _restate)


def plain(document: Any) -> Any:
    return document


FINISHES: dict[str, Callable[[Any], Any]] = {
    "plain": plain,
    "rehashed": rehash,
    "signed anew": resign,
    "state and block made anew": restate,
}


def _finished(document: Any, *steps: Callable[[Any], None]) -> Any:
    """Takes every step that can be taken; one that cannot leaves the bundle as it was before it."""
    forged = document
    for step in steps:
        attempt = deep_copy(forged)
        try:
            step(attempt)
        except _EXPECTED:
            continue
        forged = attempt
    return forged


def _rehash_fields(forged: Any) -> None:
    """A new document root over the fields as they are now, and proofs that fit it."""
    values = {each["name"]: each["value"] for each in forged["fields"]}
    salts = {each["name"]: _bytes(each["salt"]) for each in forged["fields"]}
    fields = disclosure.SaltedFields(values, salts)
    shown = {each.name: each for each in fields.disclose_all(list(values))}
    for each in forged["fields"]:
        each.update(_proof(shown[each["name"]].proof))
    for each in forged.get("absent") or []:
        if each["name"] not in values:
            each.update(_proof(fields.prove_absent(each["name"])))
    forged["terms"]["documentRoot"] = _hex(fields.root())


def _proof(proof: sparse.MapProof) -> dict[str, Any]:
    other = None if proof.other is None else _hex(proof.other[0] + proof.other[1])
    return {"siblings": [_hex(each) for each in proof.siblings], "other": other}


def _rehash_log(forged: Any) -> None:
    """Leaves over the bodies as they are now, a tree over them, paths, the map, a head that names both."""
    log = forged["log"]
    leaves, parsed = [], []
    for event in log["events"]:
        came_in = log["captures"][int(str(event["capture"]))]
        recorded = leaf.decode(base64.b64decode(event["leaf"]))
        body = came_in["body"].encode()
        leaves.append(
            replace(
                recorded,
                body_hash=leaf.body_hash(_bytes(came_in["salt"]), body),
                recorder=_bytes(came_in["account"]),
                sequence=len(leaves),
            )
        )
        event["leaf"] = _base64(leaves[-1].encode())
        parsed.append((leaves[-1], record._event_at(body, recorded.place)))
    frontier, nodes = merkle.Frontier(), {}
    for each in leaves:
        nodes.update(frontier.append(each.hash()))
    table: dict[bytes, int] = {}
    for index, event in enumerate(log["events"]):
        proof = merkle.inclusion_proof(index, len(leaves), nodes)
        event["path"] = [table.setdefault(each, len(table)) for each in proof]
    log["hashes"] = [_base64(each) for each in table]
    log["erased"] = []  # these leaves are not in the tree made anew
    secret = _bytes(log["map_secret"])
    entries: dict[bytes, bytes] = {}
    counts: dict[logmap.Identifier, int] = {}
    for recorded, event in parsed:
        for name in logmap.identifiers(event, None, recorded):
            counts[name] = counts.get(name, 0) + 1
            entry = logmap.Entry(counts[name], recorded.sequence, recorded.hash())
            entries[logmap.key(secret, name)] = entry.value()
    store: dict[bytes, tuple[bytes, bytes]] = {}
    map_root = sparse.build(store, entries)
    log["map_nodes"] = [_base64(left + right) for left, right in store.values()]
    log["map_answers"] = []
    head = {"log_root": _hex(frontier.root()), "size": str(len(leaves)), "map_root": _hex(map_root)}
    log["heads"] = [*log["heads"][:-1], log["heads"][-1] | head]


def _resign_captures(forged: Any) -> None:
    """Every document signed by the forger for the account that is said to have recorded it."""
    log, chain_id, contract = forged["log"], *_log_contract(forged)
    log_id = evm.keccak(evm.word(chain_id) + evm.word(contract))
    for each in log["captures"]:
        digest = capture.digest(chain_id, contract, log_id, _bytes(each["account"]), each["body"].encode())
        each |= {"signature": _hex(_sign(digest)), "jwk": None}
    for event in log["events"]:
        recorded = leaf.decode(base64.b64decode(event["leaf"]))
        event["leaf"] = _base64(replace(recorded, log_id=log_id, key_id=evm.word(_forger())).encode())


def _resign(forged: Any) -> None:
    """The debtor's confirmation and the witnesses' signatures, by keys of the forger's own."""
    contract = _bytes(forged["ledger"]["contracts"]["Receivables"])
    signed, told = _terms(forged), forged["confirmation"]
    domain = typed_data.Domain(terms.DOMAIN_NAME, int(forged["ledger"]["chain_id"]), contract)
    replaced = None if told.get("replaced") is None else _bytes(told["replaced"])
    digest = signed.confirmation_digest(domain, int(told["nonce"]), int(told["deadline"]), replaced)
    told |= {"signer": _hex(_forger()), "signature": _hex(_sign(digest)), "cosignature": "0x"}
    log = forged["log"]
    head = log["heads"][-1]
    lines = ["forged", head["size"], _base64(_bytes(head["log_root"]))]
    lines += checkpoint.extensions(_bytes(head["map_root"]), _bytes(log["map_secret"]))
    log["checkpoint"] = "\n".join([*lines, ""])
    time = int(head["time"])
    mine = _hex(
        time.to_bytes(8, "big") + FORGED_WITNESS.sign(checkpoint.signed_text(time, log["checkpoint"]))
    )
    log["cosignatures"] = [each | {"signature": mine} for each in log["cosignatures"]]


def _restate(forged: Any) -> None:
    """Storage in which the forged claim stands confirmed under the forged head, and a block of that state."""
    nodes = {evm.keccak(node): node for node in map(base64.b64decode, forged["state"])}
    block = header.parse(_bytes(forged["block"]))
    ledger = {name: _bytes(address) for name, address in forged["ledger"]["contracts"].items()}
    signed = _terms(forged)
    claim = signed.id()
    changes = {
        "Receivables": [
            (("_book", "states", claim, "status"), 2),
            (("_book", "states", claim, "confirmedAt"), block.time - 60),
            (("_book", "states", claim, "dueEnd"), signed.dueEnd),
            (("_book", "states", claim, "face"), signed.amount),
            (("_book", "mains", claim, "account"), int.from_bytes(_bytes(forged["holder"]), "big")),
            (("_book", "mains", claim, "units"), signed.amount),
        ],
        "Fingerprints": [(("_slots", signed.debtor, signed.fingerprint, "id"), int.from_bytes(claim, "big"))],
        "ProvenanceLog": _log_changes(forged),
    }
    accounts = HexaryTrie(nodes, block.state_root)
    for name, values in changes.items():
        key = evm.keccak(ledger[name])
        account = rlp.decode(accounts[key])
        storage = HexaryTrie(nodes, account[2])
        words: dict[int, int] = {}
        for (variable, *steps), value in values:
            place = layout.contracts()[name].place(variable, *steps)
            mask = (1 << 8 * place.size) - 1 << 8 * place.offset
            words[place.slot] = words.get(place.slot, 0) & ~mask | value << 8 * place.offset
        for slot, value in words.items():
            storage[evm.keccak(evm.word(slot))] = rlp.encode(evm.integer(value))
        accounts[key] = rlp.encode([account[0], account[1], storage.root_hash, account[3]])
    forged["state"] = [_base64(node) for node in nodes.values() if node]
    fields = evm.decode(block.encoded)
    assert isinstance(fields, list)
    fields[3] = accounts.root_hash
    forged["block"] = _hex(evm.encode(fields))


def _log_changes(forged: Any) -> list[tuple[tuple[str], int]]:
    log = forged["log"]
    history = _bytes(log["history"])
    for each in log["heads"]:
        head = Head(_bytes(each["log_root"]), int(each["size"]), _bytes(each["map_root"]), int(each["time"]))
        history = record.rolling_history(history, head)
    last = log["heads"][-1]
    return [
        (("_logRoot",), int(last["log_root"], 16)),
        (("_size",), int(last["size"])),
        (("_mapRoot",), int(last["map_root"], 16)),
        (("_timestamp",), int(last["time"])),
        (("history",), int.from_bytes(history, "big")),
    ]


def _terms(forged: Any) -> terms.Terms:
    values: dict[str, Any] = {}
    for name, value in forged["terms"].items():
        values[name] = value if name == "currency" else _bytes(value) if value[:2] == "0x" else int(value)
    return terms.Terms(**values)


def _log_contract(forged: Any) -> tuple[int, bytes]:
    return int(forged["ledger"]["chain_id"]), _bytes(forged["ledger"]["contracts"]["ProvenanceLog"])


def _forger() -> bytes:
    return _bytes(FORGER.address.lower())


def _sign(digest: bytes) -> bytes:
    return bytes(FORGER.unsafe_sign_hash(digest).signature)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
