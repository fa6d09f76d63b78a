"""The networks the project knows, chosen with NETWORK=…, and what is kept for each in `data/<network>/`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks import rpc
from tasks.console import TaskError
from tasks.environment import DATA, ROOT

Program = Literal["anvil", "ganache", "remote"]

TEST_CHAINS = frozenset({11155111})
"""Public chains on which nothing is worth money: Sepolia."""


@dataclass(frozen=True)
class Network:
    """A chain to deploy to: one we start, or a public one that is reached by URL."""

    name: str
    program: Program
    chain_id: int
    about: str
    port: int = 0
    block_seconds: int = 0  # 0: a block for each transaction, at once
    unlocked_accounts: int = 10
    confirmations: int = 1  # blocks a deployment waits for
    finality_blocks: int = 0  # how deep a block is when it counts as final

    @property
    def is_local(self) -> bool:
        return self.program != "remote"

    @property
    def is_test(self) -> bool:
        """Whether nothing on it is worth money, so that a deployment may take shortcuts."""
        return self.is_local or self.chain_id in TEST_CHAINS

    @property
    def folder(self) -> Path:
        return DATA / self.name

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def keys(self) -> Path:
        """The folder of the operator's encrypted keys; KEYS names another."""
        return Path(os.environ.get("KEYS") or self.folder / "keys")

    @property
    def password_file(self) -> Path:
        """The file with the password of those keys; KEYS_PASSWORD_FILE names another."""
        return Path(os.environ.get("KEYS_PASSWORD_FILE") or self.keys / "password")

    @property
    def deployments(self) -> Path:
        """Where its deployment record stands: what others can use is committed, the rest is not."""
        return self.folder / "deployments" if self.is_local else ROOT / "deployments"

    @property
    def deployment(self) -> Path:
        return self.deployments / f"{self.chain_id}.json"

    @property
    def _endpoint(self) -> Path:
        return self.folder / "chain.json"

    def remembered_url(self) -> str | None:
        """Where the chain was last seen; the same address is taken again if it is free."""
        if not self._endpoint.exists():
            return None
        url: str = json.loads(self._endpoint.read_text())["rpc_url"]
        return url

    def remember_url(self, url: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._endpoint.write_text(json.dumps({"rpc_url": url, "chain_id": self.chain_id}) + "\n")

    def live_url(self) -> str | None:
        """The address of the chain if it answers there with its own chain id."""
        url = self.remembered_url() if self.is_local else os.environ.get("RPC_URL")
        try:
            return url if url and rpc.chain_id(url, seconds=5) == self.chain_id else None
        except TaskError:
            return None


NETWORKS = {
    network.name: network
    for network in (
        Network("anvil", "anvil", 31337, "Anvil, a block for each transaction", port=8545),
        Network("ganache", "ganache", 1337, "Ganache, a block for each transaction", port=8546),
        Network(
            "testnet-local",
            "anvil",
            11155111,
            "an Anvil that behaves like Sepolia: 2-second blocks, base fee, no unlocked accounts",
            port=8547,
            block_seconds=2,
            unlocked_accounts=0,
            confirmations=2,
            finality_blocks=2,
        ),
        Network(
            "sepolia",
            "remote",
            11155111,
            "the public testnet at RPC_URL",
            confirmations=3,
            finality_blocks=64,
        ),
    )
}


def network_named(name: str) -> Network:
    try:
        return NETWORKS[name]
    except KeyError:
        raise TaskError(f"There is no network {name!r}. Known: {', '.join(NETWORKS)}.") from None


def require_remote(network: Network) -> str:
    """The URL of a network we do not start; raises TaskError if it is not given, silent, or another chain."""
    url = os.environ.get("RPC_URL")
    if not url:
        raise TaskError(f"Set RPC_URL to the address of a node of {network.name}.")
    found = rpc.chain_id(url)
    if found != network.chain_id:
        raise TaskError(
            f"The node at RPC_URL is on chain {found}; {network.name} is chain {network.chain_id}."
        )
    return url
