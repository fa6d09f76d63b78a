"""A PostgreSQL cluster of the campaign's own, to be killed without hurting anybody."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psutil

from tasks.console import TaskError
from tasks.rpc import choose_port

_USER = "postgres"


class Cluster:
    """One cluster in `folder`, made on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._port = folder / "port"
        self._bin = _programs()

    @property
    def url(self) -> str:
        return f"postgresql://tallystick@127.0.0.1:{self._port.read_text()}/postgres"

    def start(self) -> None:
        """Starts it and waits until it takes connections."""
        if not self.data.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if os.getuid() == 0:
                shutil.chown(self.folder, _USER)
            self._port.write_text(str(choose_port(None, 0, "")))
            made = [str(self._bin / "initdb"), "-D", str(self.data), "-U", "tallystick", "--auth=trust"]
            subprocess.run(_as_postgres(made), check=True, capture_output=True, cwd="/")
        options = f"-c listen_addresses=127.0.0.1 -c port={self._port.read_text()} -k {self.folder}"
        command = [str(self._bin / "postgres"), "-D", str(self.data), *options.split()]
        with (self.folder / "log").open("ab") as log:
            subprocess.Popen(_as_postgres(command), stdout=log, stderr=log, cwd="/", start_new_session=True)
        deadline = time.monotonic() + 120
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", self._port.read_text()]
        while subprocess.run(ready, check=False).returncode:
            if time.monotonic() > deadline:
                raise TaskError(f"PostgreSQL did not come up again; see {self.folder / 'log'}")
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL to the server and every process of it, as when the machine loses power."""
        try:
            master = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            family = [master, *master.children(recursive=True)]
        except (FileNotFoundError, psutil.NoSuchProcess):
            return
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=20)

    def stop(self) -> None:
        """Ends it in order, so that the next start has nothing to repair."""
        command = [str(self._bin / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "stop"]
        subprocess.run(_as_postgres(command), check=False, capture_output=True, cwd="/")

    def processes(self) -> list[psutil.Process]:
        """The server and its children."""
        try:
            master = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            return [master, *master.children()]
        except (FileNotFoundError, psutil.NoSuchProcess):
            return []


def _as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", _USER, "--", *command] if os.getuid() == 0 else command


def _programs() -> Path:
    """Where `initdb` and `postgres` are: Debian keeps them off PATH, beside others of their version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = versions[-1] if versions else shutil.which("initdb")
    if found is None:
        raise TaskError("PostgreSQL's programs were not found: install `postgresql`, or use sqlite.")
    return Path(found).resolve().parent
