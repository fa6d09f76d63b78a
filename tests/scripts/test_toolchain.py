"""The compiler wrapper, the lock files, and the settings that stand in two places."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks import environment
from tasks.console import TaskError
from tasks.environment import ROOT, SOLC_FOLDER

SOURCE = 'pragma solidity 0.8.37; import "{}"; contract Probe {{}}'


def compile_importing(name: str, wanted: str = "abi") -> dict[str, Any]:
    wrapper = next(SOLC_FOLDER.glob("solc-v*"))
    question = {
        "language": "Solidity",
        "sources": {"Probe.sol": {"content": SOURCE.format(name)}},
        "settings": {"outputSelection": {"*": {"*": [wanted]}}},
    }
    answer = subprocess.run(
        [wrapper, "--standard-json"], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    output: dict[str, Any] = json.loads(answer.stdout)
    return output


def errors(output: dict[str, Any]) -> str:
    return "\n".join(
        problem["formattedMessage"] for problem in output.get("errors", []) if problem["severity"] == "error"
    )


def test_the_compiler_reads_imports_from_the_packages() -> None:
    output = compile_importing("node_modules/@openzeppelin/contracts/utils/Panic.sol")
    assert not errors(output)
    assert "Panic" in output["contracts"]["node_modules/@openzeppelin/contracts/utils/Panic.sol"]


def test_the_compiler_refuses_imports_from_outside_the_project(tmp_path: Path) -> None:
    outside = tmp_path / "Outside.sol"
    outside.write_text("pragma solidity 0.8.37; contract Outside {}")
    assert "lies outside the project" in errors(compile_importing(str(outside)))


def test_the_compiler_reads_nothing_but_solidity() -> None:
    # An error message quotes the line it stumbles over: a keystore must not get there.
    assert "is not a Solidity file" in errors(compile_importing("package.json"))


def test_the_compiler_names_a_missing_import() -> None:
    assert "contracts/Nowhere.sol does not exist" in errors(compile_importing("contracts/Nowhere.sol"))


def test_the_compiler_is_the_locked_one() -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]["node_modules/solc"]["version"]
    (wrapper,) = SOLC_FOLDER.glob("solc-v*")
    assert wrapper.name == f"solc-v{locked}"
    told = subprocess.run([wrapper, "--version"], capture_output=True, text=True, check=True).stdout
    output = compile_importing("node_modules/@openzeppelin/contracts/utils/Panic.sol", "metadata")
    compiled_by = json.loads(output["contracts"]["Probe.sol"]["Probe"]["metadata"])["compiler"]["version"]
    assert f"Version: {compiled_by}.Emscripten.clang\n" in told


def test_brownie_and_forge_compile_with_the_same_settings() -> None:
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    brownie = yaml.safe_load((ROOT / "brownie-config.yaml").read_text())["compiler"]
    solc = brownie["solc"]
    assert forge["solc"] == f"toolchain/solc/solc-v{solc['version']}"
    assert forge["evm_version"] == brownie["evm_version"]
    assert forge["optimizer"] == solc["optimizer"]["enabled"]
    assert forge["optimizer_runs"] == solc["optimizer"]["runs"]
    assert forge["via_ir"] == solc["viaIR"]
    assert forge["remappings"] == solc["remappings"]


LOCK_FILES = [
    "requirements/build.txt",
    "requirements/run.txt",
    "requirements/dev.txt",
    "package-lock.json",
]


@pytest.mark.parametrize("name", LOCK_FILES)
def test_lock_files_carry_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"\"resolved\"|--index-url|--find-links|^\S+ @ |file:", text, re.MULTILINE)
    if name.endswith(".json"):
        packages = [package for path, package in json.loads(text)["packages"].items() if path]
        bundled = [package for package in packages if package.get("inBundle")]
        assert all("integrity" in package for package in packages if package not in bundled)
    else:
        pinned = re.findall(r"^[A-Za-z0-9_.\[\]-]+==", text, re.MULTILINE)
        entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
        assert pinned
        assert len(pinned) == len(entries)
        assert all("--hash=sha256:" in entry for entry in entries)


def versions(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)", text, re.MULTILINE))


def test_production_locks_the_versions_that_were_tested_and_no_brownie() -> None:
    run, dev = versions("run.txt"), versions("dev.txt")
    assert run
    assert run.items() <= dev.items()
    assert "eth-brownie" in dev
    assert not [package for package in run if "brownie" in package or package in ("pytest", "mypy", "ruff")]


def fake_program(folder: Path, name: str, answer: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho {answer}\n")
    program.chmod(0o755)


def test_an_old_node_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(tmp_path, "node", "v18.19.0")
    fake_program(tmp_path, "npm", "10.2.3")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        TaskError, match=re.escape(f"Node 20 or newer is needed, this is v18.19.0 ({tmp_path}/node)")
    ):
        environment.check_node()


def test_a_missing_npm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(tmp_path, "node", "v20.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TaskError, match="`npm` was not found"):
        environment.check_node()


def test_an_old_python_gets_a_sentence_and_no_traceback() -> None:
    # What stands above the version check must be readable by old Pythons: the oldest grammar ast still knows.
    for name in ("__main__", "__init__"):
        ast.parse((ROOT / "tasks" / f"{name}.py").read_text(), feature_version=(3, 7))
    pretend = (
        "import runpy, sys; sys.version_info = (3, 9, 18); runpy.run_module('tasks', run_name='__main__')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: Python 3.11 or newer is needed, this is 3.9.")
    assert "Traceback" not in answer.stderr


def test_what_is_started_keeps_what_it_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    asked = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    answer = subprocess.run(
        asked, env=environment.child_environment(), capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
