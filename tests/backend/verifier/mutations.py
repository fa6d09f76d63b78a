"""Ways to tamper with a bundle, and the work a forger would do afterwards: recompute every hash it can."""

import base64
import copy
import random

from backend.kit import disclosure, merkle
from backend.kit.canonical import Number, encode, parse
from backend.verifier import leaf

SCALARS = (None, True, False, "", "0", "1", "0x", "0x00", "valid", -1, 2**64, [], {})


def paths(document, prefix=()):
    """Every place in a JSON document."""
    yield prefix
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for name, value in items:
        yield from paths(value, (*prefix, name))


def at(document, path):
    for step in path:
        document = document[step]
    return document


def mutate(document, other, choose: random.Random):
    """One change of a copy: value changed, removed, duplicated, reordered, or taken from another bundle."""
    changed = copy.deepcopy(document)
    path = choose.choice(list(paths(changed))[1:])
    parent, name = at(changed, path[:-1]), path[-1]
    kind = choose.choice(("bit", "bit", "scalar", "remove", "duplicate", "reorder", "swap", "swap"))
    if kind == "bit":
        parent[name] = _nudge(parent[name], choose)
    elif kind == "scalar":
        parent[name] = choose.choice(SCALARS)
    elif kind == "remove":
        del parent[name]
    elif kind == "duplicate" and isinstance(parent, list):
        parent.insert(choose.randrange(len(parent) + 1), copy.deepcopy(parent[name]))
    elif kind == "reorder" and isinstance(parent, list):
        choose.shuffle(parent)
    else:
        try:
            parent[name] = copy.deepcopy(at(other, path))
        except (KeyError, IndexError, TypeError):
            parent[name] = choose.choice(SCALARS)
    return changed, f"{kind} {'/'.join(map(str, path))}"


def _nudge(value, choose):
    """The smallest change of a value that still looks like one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Number):
        return Number(value.text[:-1] + choose.choice("0123456789"))
    if not isinstance(value, str) or not value:
        return choose.choice(SCALARS)
    if value.isdigit():
        return str(max(0, int(value) + choose.choice((-1, 1, 10, -10))))
    position = (
        choose.randrange(2, len(value))
        if value.startswith("0x") and len(value) > 2
        else choose.randrange(len(value))
    )
    letters = "0123456789abcdef" if value.startswith("0x") else "ABCxyz019"
    return value[:position] + choose.choice(letters) + value[position + 1 :]


def rehash(document):
    """Recomputes what a forger can without keys: salted hashes, leaves, root and paths, field roots.

    What stands on the chain, and what somebody signed, it cannot.
    """
    forged = copy.deepcopy(document)
    try:
        _rehash_fields(forged)
        _rehash_log(forged["log"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return document
    return forged


def _rehash_fields(forged):
    """A new document root over the fields as they are now, and proofs that fit it."""
    values = {each["name"]: each["value"] for each in forged["fields"]}
    salts = {each["name"]: bytes.fromhex(each["salt"][2:]) for each in forged["fields"]}
    fields = disclosure.SaltedFields(values, salts)
    for each in forged["fields"]:
        shown = fields.disclose(each["name"])
        each["siblings"] = ["0x" + sibling.hex() for sibling in shown.proof.siblings]
        other = shown.proof.other
        each["other"] = None if other is None else "0x" + (other[0] + other[1]).hex()
    forged["terms"]["documentRoot"] = "0x" + fields.root().hex()


def _rehash_log(log):
    """Leaves over the bodies as they are now, a tree over them, paths, and a head that names its root."""
    leaves = []
    for event in log["events"]:
        came_in = log["captures"][event["capture"]]
        recorded = leaf.decode(base64.b64decode(event["leaf"]))
        body_hash = leaf.body_hash(bytes.fromhex(came_in["salt"][2:]), came_in["body"].encode())
        account = bytes.fromhex(came_in["account"][2:])
        values = vars(recorded) | {"body_hash": body_hash, "recorder": account, "sequence": len(leaves)}
        leaves.append(leaf.Leaf(**values))
        event["leaf"] = base64.b64encode(leaves[-1].encode()).decode()
    frontier, nodes = merkle.Frontier(), {}
    for each in leaves:
        nodes.update(frontier.append(each.hash()))
    table: dict[bytes, int] = {}
    for index, event in enumerate(log["events"]):
        proof = merkle.inclusion_proof(index, len(leaves), nodes)
        event["path"] = [table.setdefault(each, len(table)) for each in proof]
    log["hashes"] = ["0x" + each.hex() for each in table]
    log["heads"][-1] |= {"log_root": "0x" + frontier.root().hex(), "size": str(len(leaves))}


def load(raw):
    """A bundle to tamper with; numbers keep their text, or every change would change them all."""
    return parse(raw)


def dump(document):
    return encode(document)


__all__ = ["at", "dump", "load", "mutate", "paths", "rehash"]
