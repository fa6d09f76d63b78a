"""Makes the keys a ledger's operator needs, each once: `python -m scripts.make_keys FOLDER`.

Encrypted Ethereum keys (deployer, relayer, supervisor) under one random password that lies beside them, and
the secret of the verifiable random function that makes fingerprints. Good for a chain of one's own; for
others bring your own keystores and keep the password elsewhere.
"""

import os
import secrets
import sys
from pathlib import Path

from backend.kit import vrf
from backend.signing.keystore import Keystore

ETHEREUM_KEYS = ("deployer", "relayer", "supervisor")
PASSWORD = "password"  # noqa: S105 - a file's name
FINGERPRINT_KEY = "fingerprint.key"
WORK_FACTOR = 2**12
"""The password has 256 bits and lies beside the keys: stretching it would only cost time."""


def make_keys(folder: Path) -> None:
    """Makes what is missing in the folder; what is there stays."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = secret_in(folder / PASSWORD)
    keystore = Keystore(folder)
    for name in ETHEREUM_KEYS:
        if name not in keystore.addresses():
            keystore.create(name, password, WORK_FACTOR)
    secret_in(folder / FINGERPRINT_KEY)


def fingerprint_public_key(folder: Path) -> bytes:
    """The public key under which anybody can check this ledger's fingerprints."""
    return vrf.public_key(bytes.fromhex((folder / FINGERPRINT_KEY).read_text().strip()))


def secret_in(file: Path) -> str:
    """The 32 random bytes in the file, hex; made if there are none."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(handle, "w") as output:
        output.write(secrets.token_hex(32) + "\n")
    return file.read_text().strip()


if __name__ == "__main__":
    make_keys(Path(sys.argv[1]))
