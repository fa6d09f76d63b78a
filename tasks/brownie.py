"""Runs Brownie without it touching anything outside the project.

Brownie keeps networks, accounts and caches below HOME. Each use gets a HOME of its own in `data/brownie/`,
with exactly one network in it: the chain that was asked for.
"""

import json
from pathlib import Path

from tasks.environment import DATA, ROOT, VENV, child_environment

DEVELOPMENT = "development"


def live_home(name: str, url: str, chain_id: int) -> Path:
    """A HOME in which network `name` is a chain like any public one: no snapshots, no unlocked accounts."""
    entry = {"id": name, "name": name, "host": url, "chainid": chain_id, "timeout": 120}
    return _home(name, live=[{"name": "Tallystick", "networks": [entry]}], development=[])


def development_home(name: str, url: str) -> Path:
    """A HOME in which Brownie's development network is the running local chain at `url`."""
    entry = {"id": DEVELOPMENT, "name": name, "cmd": name, "host": url, "timeout": 120, "cmd_settings": {}}
    return _home(f"test-{name}", live=[], development=[entry])


def environment_in(home: Path, **extra: str) -> dict[str, str]:
    return child_environment(HOME=str(home), PYTHONPATH=str(ROOT), **extra)


def run_script(name: str, network: str, *arguments: str) -> list[str]:
    """The command that runs `scripts/<name>.py` on a network of the HOME it will be given."""
    return [str(VENV / "bin" / "brownie"), "run", name, "main", *arguments, "--network", network, "--raise"]


def compile_contracts() -> list[str]:
    return [str(VENV / "bin" / "brownie"), "compile"]


def run_tests(*arguments: str) -> list[str]:
    pytest = [str(VENV / "bin" / "python"), "-m", "pytest", "-p", "pytest-brownie"]
    pytest += ["-W", "ignore:rpc.:FutureWarning"]  # Brownie's warning about its own snapshots
    return [*pytest, *arguments, "--network", DEVELOPMENT]


def _home(name: str, *, live: list[object], development: list[object]) -> Path:
    home = DATA / "brownie" / name
    folder = home / ".brownie"
    folder.mkdir(parents=True, exist_ok=True)
    # JSON is YAML; Brownie looks for this name.
    (folder / "network-config.yaml").write_text(json.dumps({"live": live, "development": development}))
    return home
