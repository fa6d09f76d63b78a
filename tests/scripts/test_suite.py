"""The suite's own sums: a part that breaks off is a failure, whatever it counted."""

import re
from pathlib import Path

import pytest

from tasks import suite
from tasks.console import TaskError
from tasks.suite import Count, Part


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(suite, "REPORTS", tmp_path)
    return tmp_path


def shell(name: str, script: str, count=suite._pytest) -> Part:
    return Part(name, ["sh", "-c", script], count)


def junit(tests: int, failures: int = 0, errors: int = 0, skipped: int = 0) -> str:
    return (
        f'<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}" '
        f'skipped="{skipped}"/></testsuites>'
    )


def closing_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]


@pytest.fixture
def forge_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of Forge's test files, none there yet."""
    folder = tmp_path / "forge"
    folder.mkdir()
    monkeypatch.setattr(suite, "FORGE", folder)
    return folder


@pytest.mark.usefixtures("forge_files")
def test_lanes_are_added_up(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = shell("first", f"echo '{junit(5, skipped=2)}' > {reports}/first.xml")
    forge = "Ran 2 test suites: \033[32m7\033[0m tests passed, 0 failed, 1 skipped (8 total tests)"
    second = shell("second", f"printf '%b' '{forge}'", suite._forge)
    suite.run_lanes([first], [second, shell("third", "true", suite._one)])
    assert closing_line(capsys) == "11 passed, 0 failed, 3 skipped"


def test_a_file_that_forge_left_out_is_a_failure(
    reports: Path, forge_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("One", "Two"):
        (forge_files / f"{name}.t.sol").touch()
    ran = "Ran 3 tests for tests/contracts/forge/One.t.sol:OneTest"
    forge = f"{ran}\nRan 1 test suite: 3 tests passed, 0 failed, 0 skipped (3 total tests)"
    with pytest.raises(TaskError, match="the suite failed"):
        suite.run_lanes([shell("forge", f"printf '%b' '{forge}'", suite._forge)])
    assert "Not run: Two.t.sol." in capsys.readouterr().out


def test_a_failure_shows_what_was_printed(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = shell("sad", f"echo '{junit(3, failures=1, errors=1)}' > {reports}/sad.xml; echo because; exit 1")
    with pytest.raises(TaskError, match="the suite failed"):
        suite.run_lanes([part])
    assert re.search(
        r"===== sad =====\nbecause\n.*✗ sad: 1 passed, 2 failed", capsys.readouterr().out, re.DOTALL
    )


def test_breaking_off_counts_as_a_failure(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TaskError, match="the suite failed"):
        suite.run_lanes([shell("broken", f"echo '{junit(3)}' > {reports}/broken.xml; kill -9 $$")])
    assert closing_line(capsys) == "3 passed, 1 failed"


def test_an_old_report_is_not_counted(reports: Path) -> None:
    (reports / "quiet.xml").write_text(junit(9))
    with pytest.raises(TaskError, match="no test ran"):
        suite.run_lanes([shell("quiet", "true")])


def test_skips_are_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    suite.run_lanes([shell("some", "echo 'SKIPPED [2] conftest.py:40: no PostgreSQL here'", suite._one)])
    assert "no PostgreSQL here" in capsys.readouterr().out


def test_counts_read_like_a_runner_s() -> None:
    assert str(Count(1) + Count(2, 3)) == "3 passed, 3 failed"
    assert str(Count(1, 0, 2)) == "1 passed, 0 failed, 2 skipped"
