"""Writes `backend/verifier/contracts.json`: where each contract keeps what in storage, and its code's hash.

    python scripts/describe_contracts.py          # after a change of the contracts
    python scripts/describe_contracts.py --check  # fails where the file is not what the compiler says

Everything comes from the compiler (`storageLayout`, `immutableReferences`), nothing is written by hand.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from backend.verifier import evm  # noqa: E402
from backend.verifier.layout import Contract, normalised  # noqa: E402

NAMES = (
    "Participants",
    "Fingerprints",
    "Receivables",
    "ReceivablesExtension",
    "ReceivablesRemedies",
    "ProvenanceLog",
)
OUTPUT = ROOT / "backend" / "verifier" / "contracts.json"
COMPILER = ROOT / "toolchain" / "solc" / "solc-v0.8.37"


def compile_contracts() -> dict[str, Any]:
    """The compiler's output for `contracts/`, with the settings of brownie-config.yaml."""
    left_out = {"mocks", "examples"}
    sources = [path for path in sorted((ROOT / "contracts").rglob("*.sol")) if not left_out & set(path.parts)]
    request = {
        "language": "Solidity",
        "sources": {str(path.relative_to(ROOT)): {"content": path.read_text()} for path in sources},
        "settings": {
            "evmVersion": "shanghai",
            "optimizer": {"enabled": True, "runs": 200},
            "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
            "outputSelection": {"*": {"*": ["storageLayout", "evm.deployedBytecode"], "": ["ast"]}},
        },
    }
    answer = subprocess.run(
        [COMPILER, "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    output: dict[str, Any] = json.loads(answer.stdout)
    errors = [each["formattedMessage"] for each in output.get("errors", []) if each["severity"] == "error"]
    if errors:
        raise SystemExit("\n".join(errors))
    return output


def describe(output: dict[str, Any]) -> dict[str, Any]:
    """The part of the compiler's output that the verifier needs."""
    names = _names_by_id(output)
    return {name: _contract(output["contracts"][f"contracts/{name}.sol"][name], names) for name in NAMES}


def _contract(compiled: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    code = compiled["evm"]["deployedBytecode"]
    immutables = {
        names[int(identity)]: sorted(place["start"] for place in places)
        for identity, places in code.get("immutableReferences", {}).items()
    }
    runtime = bytes.fromhex(code["object"])
    plain = normalised(runtime, Contract({}, {}, b"", 0, immutables))
    layout = compiled["storageLayout"]
    return {
        "code_hash": "0x" + evm.keccak(plain).hex(),
        "code_size": len(runtime),
        "immutables": dict(sorted(immutables.items())),
        "storage": {
            entry["label"]: {"slot": int(entry["slot"]), "offset": entry["offset"], "type": entry["type"]}
            for entry in layout["storage"]
        },
        "types": {name: _type(kind) for name, kind in (layout["types"] or {}).items()},
    }


def _type(kind: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"size": int(kind["numberOfBytes"])}
    described |= {name: kind[name] for name in ("value", "base") if name in kind}
    if "members" in kind:
        described["members"] = {
            member["label"]: {"slot": int(member["slot"]), "offset": member["offset"], "type": member["type"]}
            for member in kind["members"]
        }
    return described


def _names_by_id(output: dict[str, Any]) -> dict[int, str]:
    """Names of state variables by the identity the compiler gives them."""
    found: dict[int, str] = {}
    stack: list[Any] = [source["ast"] for source in output["sources"].values()]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("nodeType") == "VariableDeclaration":
                found[node["id"]] = node["name"]
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return found


def main() -> None:
    text = json.dumps(describe(compile_contracts()), indent=1, sort_keys=True) + "\n"
    if "--check" not in sys.argv:
        OUTPUT.write_text(text, encoding="utf-8")
    elif OUTPUT.read_text(encoding="utf-8") != text:
        raise SystemExit(
            f"{OUTPUT.relative_to(ROOT)} is not what the compiler says: run {Path(__file__).name}"
        )


if __name__ == "__main__":
    main()
