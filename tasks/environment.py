"""Where things are, and how a clean clone becomes a working one: `.venv`, `node_modules`, nothing else.

Both are made from their lock files with hashes and stamped with them, so that a second set-up takes no
time. Nothing outside the project is touched: Brownie, which keeps its data below HOME, gets a HOME of its
own in `data/`.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.console import TaskError, step

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DATA_FOLDER", ROOT / "data")).resolve()
VENV = ROOT / ".venv"
NODE_MODULES = ROOT / "node_modules"
PYTHON = VENV / "bin" / "python"
SOLC_FOLDER = ROOT / "toolchain" / "solc"

OLDEST_NODE = 20
STAMP = ".tallystick-setup"


def setup() -> None:
    """Makes `.venv` and `node_modules` what the lock files say; does nothing where they already are.

    A linked folder belongs to another checkout and is left as it is.
    """
    node = check_node()
    lock, build_tools = ROOT / "requirements" / "dev.txt", ROOT / "requirements" / "build.txt"
    python_stamp = f"{platform.python_version()} {platform.machine()} {_digest(lock, build_tools)}"
    if _is_stale(VENV, python_stamp):
        _install_python(lock, build_tools)
        _write_stamp(VENV, python_stamp)
    node_stamp = f"{node} {platform.machine()} {_digest(ROOT / 'package-lock.json')}"
    if _is_stale(NODE_MODULES, node_stamp):
        _install_node()
        _write_stamp(NODE_MODULES, node_stamp)
    _write_launcher()


def check_node() -> int:
    """The major version of the Node that will run; raises TaskError where it is missing or too old."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise TaskError(
                f"`{program}` was not found. Install Node {OLDEST_NODE} or newer (it brings npm) and see "
                f"that `{program} --version` answers in this terminal."
            )
    node = str(shutil.which("node"))
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    version = re.fullmatch(r"v(\d+)\.\d+\.\d+.*", answer)
    if version is None:
        raise TaskError(
            f"`node --version` answered {answer!r}, which is no version. Is Node installed properly?"
        )
    if int(version[1]) < OLDEST_NODE:
        raise TaskError(
            f"Node {OLDEST_NODE} or newer is needed, this is {answer} ({node}). "
            "Install a newer one, or put it first on PATH."
        )
    return int(version[1])


def child_environment(**extra: str) -> dict[str, str]:
    """The environment of every program the commands start: the project's tools first, its own compiler."""
    return os.environ | {
        "PATH": os.pathsep.join([str(VENV / "bin"), str(NODE_MODULES / ".bin"), os.environ.get("PATH", "")]),
        "SOLCX_BINARY_PATH": str(SOLC_FOLDER),
        "PYTHONUNBUFFERED": "1",
        # The packages are installed uncompiled; each process would compile all it imports anew, for seconds.
        "PYTHONDONTWRITEBYTECODE": "",
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
        **extra,
    }


def native_binary(tool: str) -> Path:
    """The program itself (`anvil`, `forge`) inside its npm package.

    npm's launcher script starts it as a child of its own, which would survive the launcher's SIGKILL.
    """
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system())
    machine = {"x86_64": "amd64", "arm64": "arm64", "aarch64": "arm64"}.get(platform.machine())
    if system is None or machine is None:
        raise TaskError(
            f"{tool} is published for Linux and macOS on x86-64 and ARM-64, not for {platform.system()} on "
            f"{platform.machine()}. On Windows use WSL."
        )
    binary = NODE_MODULES / "@foundry-rs" / f"{tool}-{system}-{machine}" / "bin" / tool
    if not binary.exists():
        raise TaskError(f"{binary} is missing. Run `make setup`.")
    return binary


def run(*command: str | Path, log: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Runs a program to its end in the project's folder; with `log`, its output goes there.

    Raises TaskError with the end of the output if it fails.
    """
    if log is None:
        code = subprocess.run(command, cwd=ROOT, env=env or child_environment(), check=False).returncode
        ending = ""
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            code = subprocess.run(
                command,
                cwd=ROOT,
                env=env or child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        ending = f"\n{tail(log)}\nAll of it: {log}"
    if code:
        raise TaskError(f"`{' '.join(map(str, command))}` failed with exit code {code}.{ending}")


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
    text = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"    {line}" for line in text[-lines:]) or "    (nothing was written)"


def _base_python() -> str:
    """The interpreter behind this one, which may be the one in the folder that is to be made anew."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _install_python(lock: Path, build_tools: Path) -> None:
    log = DATA / "logs" / "setup-python.log"
    with step(f"Installing the Python packages of {lock.relative_to(ROOT)} (a minute or two the first time)"):
        shutil.rmtree(VENV, ignore_errors=True)
        try:
            run(_base_python(), "-m", "venv", VENV, log=log, env=dict(os.environ))
        except TaskError as error:
            raise TaskError(
                f"{error}\nOn Debian and Ubuntu, `apt install python3-venv` brings venv."
            ) from None
        pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        pip += [
            "--require-hashes",
            "--no-deps",
            "--no-build-isolation",
            "--no-compile",
        ]  # nothing but what the lock names
        try:
            for requirements in (build_tools, lock):
                run(*pip, "-r", requirements, log=log, env=dict(os.environ))
        except TaskError as error:
            raise TaskError(f"{error}\nIs a Python package index reachable from here?") from None


def _install_node() -> None:
    log = DATA / "logs" / "setup-node.log"
    with step("Installing the Node packages of package-lock.json"):
        try:
            run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", log=log, env=dict(os.environ))
        except TaskError as error:
            raise TaskError(f"{error}\nIs an npm registry reachable from here?") from None


def _write_launcher() -> None:
    """`.venv/bin/tallystick`: the console script, run from this checkout instead of a copy of it."""
    if VENV.is_symlink():
        return
    launcher = VENV / "bin" / "tallystick"
    text = (
        f"#!{PYTHON}\nimport sys\n\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from backend.cli import main\n\nsys.exit(main())\n"
    )
    if not launcher.exists() or launcher.read_text() != text:
        launcher.write_text(text)
        launcher.chmod(0o755)


def _is_stale(folder: Path, stamp: str) -> bool:
    if folder.is_symlink():
        return False
    file = folder / STAMP
    return not file.exists() or file.read_text() != stamp


def _write_stamp(folder: Path, stamp: str) -> None:
    (folder / STAMP).write_text(stamp)


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
