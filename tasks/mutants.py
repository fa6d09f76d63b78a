"""The mutants of the contracts, all of them in one compilation.

Compiling after each change would cost more than all tests. So every mutant is compiled in, behind a
switch that the chain gives: where `block.prevrandao` is its number, it acts; everywhere else the code is
as it was. `forge test --block-prevrandao 17` runs the tests against mutant 17, and 0 is the contract
itself.

What is mutated is found in the compiler's own syntax tree, so that each change has a type and compiles.
Reading the chain makes a function `view`, so `pure` gives way to it in the copy; nothing else differs.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.console import TaskError
from tasks.environment import ROOT, SOLC_FOLDER, child_environment

Node = dict[str, Any]

TARGETS = (
    "contracts/Receivables*.sol",
    "contracts/receivables/*.sol",
    "contracts/libraries/*.sol",
    "contracts/types/*.sol",
    "contracts/SignedActions.sol",
    "contracts/Signers.sol",
    "contracts/Financing.sol",
    "contracts/financing/*.sol",
    "contracts/Fingerprints.sol",
    "contracts/ProvenanceLog.sol",
    "contracts/MerkleLog.sol",
)
_SWAPPED = "< <=, > >=, == !=, && ||, + -, * /, & |, << >>, += -=, *= /=, |= &=, <<= >>="
OTHER_OPERATOR = {"%": "/", "**": "*", "^": "|", "^=": "|="}
for _pair in _SWAPPED.split(", "):
    _one, _other = _pair.split()
    OTHER_OPERATOR |= {_one: _other, _other: _one}
"""What stands in an operator's place; relational ones move by the one value that matters."""

_NOT_CODE = {"EventDefinition", "ErrorDefinition", "EnumDefinition", "StructDefinition", "ParameterList"}
_RESTRICTED_UNLESS = (
    " modifier restrictedUnless(uint256 mutant) "
    "{ if (block.prevrandao != mutant) _checkCanCall(_msgSender(), _msgData()); _; }"
)
_ZERO = {"address": "address(0)", "bytes32": "bytes32(0)"}


@dataclass(frozen=True)
class Mutant:
    """One change: where, and what stands there instead. `key` names it in files, whatever moves around it."""

    key: str
    file: str
    line: int
    start: int
    end: int
    prefix: str
    suffix: str


@dataclass(frozen=True)
class Source:
    """A file with its mutants, and what is inserted whichever of them acts: (where, text)."""

    text: bytes
    mutants: list[Mutant]
    insertions: list[tuple[int, str]]

    def switched(self, numbers: Mapping[Mutant, int]) -> tuple[bytes, dict[Mutant, range]]:
        """The text with each numbered mutant behind its switch, and where each then stands."""
        edits: list[tuple[int, int, int, str, Mutant | None]] = []
        edits += [(at, 2, 0, text, None) for at, text in self.insertions]
        chosen = sorted(set(self.mutants) & numbers.keys(), key=lambda one: (one.start, -one.end, one.key))
        for order, each in enumerate(chosen):
            number = str(numbers[each])
            edits.append((each.start, 1, order, each.prefix.replace("#", number), each))
            edits.append((each.end, 0, -order, each.suffix.replace("#", number), each))
        output, done = bytearray(), 0
        starts: dict[Mutant, int] = {}
        places: dict[Mutant, range] = {}
        for at, _, _, text, mutant in sorted(edits, key=lambda one: one[:3]):
            output += self.text[done:at]
            done = at
            if mutant and mutant in starts:
                places[mutant] = range(starts[mutant], len(output) + len(text.encode()))
            elif mutant:
                starts[mutant] = len(output)
            output += text.encode()
        return bytes(output + self.text[done:]), places


def find_mutants() -> dict[str, Source]:
    """The mutants of all targets by file. Raises TaskError if the contracts do not compile."""
    files = sorted({str(path.relative_to(ROOT)) for each in TARGETS for path in ROOT.glob(each)})
    found = {}
    for file, tree in _syntax_trees(files).items():
        finder = _Finder(file, tree)
        found[file] = Source((ROOT / file).read_bytes(), finder.mutants, finder.insertions)
    return found


def without_pure(source: bytes) -> bytes:
    """The source with `view` for `pure`."""
    return re.sub(rb"\bpure\b", b"view", source)


class _Finder:
    def __init__(self, file: str, tree: Node) -> None:
        self.mutants: list[Mutant] = []
        self.insertions: list[tuple[int, str]] = []
        self._file = file
        self._source = (ROOT / file).read_bytes()
        self._where = Path(file).stem
        self._seen: dict[str, int] = {}
        self._visit(tree, {})

    def _add(self, node: Node, change: str, prefix: str, suffix: str, end: int = 0) -> None:
        start, stop = _range(node)
        key = f"{self._where}: {change}"
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] > 1:
            key += f" [{self._seen[key]}]"
        line = self._source.count(b"\n", 0, start) + 1
        self.mutants.append(Mutant(key, self._file, line, start, end or stop, prefix, suffix))

    def _instead(self, node: Node, other: str) -> None:
        """An expression with another in its place."""
        self._add(
            node, f"{_short(self._text(node))} → {_short(other)}", f"(block.prevrandao == # ? {other} : ", ")"
        )

    def _negate(self, node: Node) -> None:
        text = _short(self._text(node))
        self._add(node, f"{text} → !({text})", "((block.prevrandao == #) != (", "))")

    def _delete(self, node: Node) -> None:
        _, end = _range(node)
        end += self._source[end : end + 1] == b";"
        self._add(
            node, f"{_short(self._text(node))} → nothing", "{ if (block.prevrandao != #) { ", " } }", end
        )

    def _text(self, node: Node) -> str:
        start, end = _range(node)
        return self._source[start:end].decode()

    def _visit(self, node: Node, parent: Node) -> None:
        kind = node.get("nodeType", "")
        if kind in _NOT_CODE or kind.endswith("TypeName"):
            return
        if kind == "VariableDeclaration" and (node.get("constant") or node.get("stateVariable")):
            return
        if kind == "ContractDefinition":
            self._where = node["name"]
            if b" restricted" in self._source:
                self.insertions.append((self._source.index(b"{", _range(node)[0]) + 1, _RESTRICTED_UNLESS))
        if kind in ("FunctionDefinition", "ModifierDefinition"):
            contract, self._where = self._where, f"{self._where}.{node['name'] or node['kind']}"
            if kind == "ModifierDefinition":
                self._make_removable(node)
            self._children(node)
            self._where = contract
            return
        if kind == "InlineAssembly":
            self._yul(node["AST"])
            return
        mutate = getattr(self, f"_on_{kind}", None)
        if mutate:
            mutate(node, parent)
        if not (
            kind == "FunctionCall" and node["kind"] == "typeConversion" and _is_literal(node["arguments"][0])
        ):
            self._children(node)

    def _children(self, node: Node) -> None:
        for child in _children(node):
            self._visit(child, node)

    def _make_removable(self, modifier: Node) -> None:
        """Lets each use of a modifier say which mutant is without it."""
        start, end = _range(modifier["body"])
        parameters = self._source.rindex(b"(", 0, start)
        self.insertions += [
            (parameters, "Unless"),
            (parameters + 1, "uint256 mutant"),
            (start, "{ if (block.prevrandao == mutant) { _; } else "),
            (end, " }"),
        ]

    # Statements

    def _on_ModifierInvocation(self, node: Node, _: Node) -> None:  # noqa: N802 - named as the compiler names them
        if node.get("kind") == "modifierInvocation" and not node.get("arguments"):
            self._add(node, f"{self._text(node)} → nothing", "", "Unless(#)")

    def _on_ExpressionStatement(self, node: Node, parent: Node) -> None:  # noqa: N802
        expression = node["expression"]
        assigned = _type(expression.get("leftHandSide", expression))
        pointed = re.search(r" storage pointer\b| calldata\b", assigned) is not None
        if parent.get("nodeType") != "ForStatement" and not pointed:  # which the compiler wants assigned
            self._delete(node)

    def _on_EmitStatement(self, node: Node, _: Node) -> None:  # noqa: N802
        self._delete(node)

    def _on_RevertStatement(self, node: Node, _: Node) -> None:  # noqa: N802
        self._delete(node)

    def _on_Return(self, node: Node, parent: Node) -> None:  # noqa: N802
        value = node.get("expression")
        if value is None or parent.get("nodeType") == "IfStatement":
            self._delete(node)
        elif (kind := _type(value)) == "bool":
            self._negate(value)
        elif zero := _ZERO.get(kind, "0" if re.fullmatch(r"uint\d+", kind) else ""):
            self._instead(value, zero)

    def _on_IfStatement(self, node: Node, _: Node) -> None:  # noqa: N802
        self._negate(node["condition"])

    def _on_Conditional(self, node: Node, _: Node) -> None:  # noqa: N802
        self._negate(node["condition"])

    def _on_WhileStatement(self, node: Node, _: Node) -> None:  # noqa: N802
        self._negate(node["condition"])

    # Expressions

    def _on_BinaryOperation(self, node: Node, parent: Node) -> None:  # noqa: N802
        if _is_literal(node):
            return
        operator = node["operator"]
        if operator in ("==", "!=") and node is parent.get("condition"):
            return  # the same as negating it
        left, right = self._text(node["leftExpression"]), self._text(node["rightExpression"])
        self._instead(node, f"{left} {OTHER_OPERATOR[operator]} {right}")

    def _on_Assignment(self, node: Node, parent: Node) -> None:  # noqa: N802
        operator = OTHER_OPERATOR.get(node["operator"])
        if operator is None or parent.get("nodeType") != "ExpressionStatement":
            return
        left, right = self._text(node["leftHandSide"]), self._text(node["rightHandSide"])
        changed = f"{left} {operator} {right}"
        _, end = _range(node)
        end += self._source[end : end + 1] == b";"
        change = f"{_short(self._text(node))} → {_short(changed)}"
        self._add(node, change, f"{{ if (block.prevrandao == #) {{ {changed}; }} else {{ ", " } }", end)

    def _on_UnaryOperation(self, node: Node, parent: Node) -> None:  # noqa: N802
        if node["operator"] == "!" and node is not parent.get("condition"):
            self._instead(node, self._text(node["subExpression"]))
        other = {"++": "--", "--": "++"}.get(node["operator"])
        if other and parent.get("nodeType") != "ExpressionStatement":
            self._instead(node, f"{other}{self._text(node['subExpression'])}")

    def _on_Literal(self, node: Node, parent: Node) -> None:  # noqa: N802
        text = self._text(node)
        if not _type(node).startswith("int_const") or _is_literal(parent) or text.startswith("0x"):
            return
        if parent.get("nodeType") == "BinaryOperation":
            if _type(parent["leftExpression"]).startswith("bytes"):
                return
            if parent["operator"] in ("**", "<<") and node is parent["leftExpression"]:
                self._add(node, f"{text} → {text} + 1", f"uint256(block.prevrandao == # ? {text} + 1 : ", ")")
                return
        self._instead(node, f"{text.split()[0]} + 1" if " " not in text else f"({text}) + 1")

    def _on_Identifier(self, node: Node, _: Node) -> None:  # noqa: N802
        if re.fullmatch(r"[A-Z][A-Z0-9_]+", node["name"]) and _type(node).startswith("uint"):
            self._instead(node, f"{node['name']} + 1")

    # Assembly

    def _yul(self, node: Node) -> None:
        kind = node.get("nodeType", "")
        text = self._text(node)
        if kind == "YulExpressionStatement":
            self._add(node, f"{_short(text)} → nothing", "if sub(prevrandao(), #) { ", " }")
        if kind == "YulLiteral" and node["kind"] == "number":
            self._add(node, f"{text} → {text} + 1", "add(eq(prevrandao(), #), ", ")")
        if kind == "YulIf":
            condition = node["condition"]
            change = f"if {_short(self._text(condition))} → if not"
            self._add(condition, change, "xor(eq(prevrandao(), #), iszero(iszero(", ")))")
        if kind == "YulAssignment" and "." not in text:  # a pointer, which the compiler wants assigned
            self._add(node, f"{_short(text)} → nothing", "if sub(prevrandao(), #) { ", " }")
        if kind == "YulFunctionCall" and text == "mload(0x40)":
            return  # where memory is free: elsewhere is as good
        for child in _children(node):
            self._yul(child)


def _syntax_trees(files: list[str]) -> dict[str, Node]:
    compiler = next(SOLC_FOLDER.glob("solc-v*"))
    question = {
        "language": "Solidity",
        "sources": {file: {"content": (ROOT / file).read_text()} for file in files},
        "settings": {
            "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
            "evmVersion": "shanghai",
            "outputSelection": {"*": {"": ["ast"]}},
        },
    }
    process = subprocess.run(
        [str(compiler), "--standard-json"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        env=child_environment(),
        cwd=ROOT,
        check=False,
    )
    if process.returncode:
        raise TaskError(f"The compiler failed: {process.stderr}")
    answer = json.loads(process.stdout)
    if errors := [each for each in answer.get("errors", []) if each["severity"] == "error"]:
        raise TaskError(errors[0]["formattedMessage"])
    return {file: answer["sources"][file]["ast"] for file in files}


def _range(node: Node) -> tuple[int, int]:
    start, length, _ = node["src"].split(":")
    return int(start), int(start) + int(length)


def _type(node: Node) -> str:
    return str(node.get("typeDescriptions", {}).get("typeString", ""))


def _is_literal(node: Node) -> bool:
    return _type(node).startswith(("int_const", "literal_string", "rational_const"))


def _children(node: Node) -> Iterator[Node]:
    for value in node.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict) and "nodeType" in each:
                yield each


def _short(text: str) -> str:
    return " ".join(text.split())
