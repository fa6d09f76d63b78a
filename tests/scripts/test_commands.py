"""The commands, the Makefile and the help list say the same."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import deep
from tasks.commands import COMMANDS, main
from tasks.console import TaskError
from tasks.environment import ROOT


def test_every_command_is_a_target_and_has_its_line_in_the_help() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = re.search(r"^TARGETS := (.*)$", makefile, re.MULTILINE)
    assert targets is not None
    assert set(targets[1].split()) == set(COMMANDS)
    listed = subprocess.run(
        [sys.executable, "-m", "tasks", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(str(command.__doc__))}$", listed, re.MULTILINE)


@pytest.mark.parametrize("name", deep.CAMPAIGNS)
def test_a_campaign_runs_what_is_there(name: str) -> None:
    for argument in deep.CAMPAIGNS[name].command:
        if argument.startswith("tests/"):
            assert (ROOT / argument).exists()
        if argument.startswith("bench."):
            module = ROOT / Path(*argument.split("."))
            assert module.with_suffix(".py").exists() or (module / "__main__.py").exists()


def test_a_campaign_says_what_it_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORPORA", raising=False)
    with pytest.raises(TaskError, match="needs CORPORA=…"):
        deep.run_campaign("deep-invoices")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_passes_on_what_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    # An empty variable is not the same as none.
    printer = tmp_path / "python"
    printer.write_text("#!/bin/sh\nenv | grep -E '^(NETWORK|PORT|CORPORA)=' | sort\necho \"$@\"\n")
    printer.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PORT": "8123"}
    said = subprocess.run(
        ["make", "run", f"PYTHON={printer}", "NETWORK=ganache"],  # noqa: S607 - whichever make is there
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.split() == ["NETWORK=ganache", "PORT=8123", "-m", "tasks", "run"]


def test_a_suite_that_was_broken_off_did_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    for name, code in (("test", 130), ("demo", 130), ("run", 0), ("chain", 0)):
        monkeypatch.setitem(COMMANDS, name, interrupted)
        assert main([name]) == code
