"""Deploys a ledger and ties it together; run again, it does what is missing and nothing else.

`make deploy NETWORK=…`. A contract is kept if the code on the chain is what was deployed and its creation
code with arguments is what would be deployed now; otherwise it is deployed anew, with all that name it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import brownie
from eth_utils.crypto import keccak

from scripts import plan
from scripts.make_keys import fingerprint_public_key
from scripts.session import ScriptError, Session, abi_of, project, run, sent_by


def main() -> None:
    """Brownie's entry point."""
    run(deploy)


def deploy(session: Session) -> None:
    """Carries out the plan on the session's network."""
    refuse_shortcuts(session)
    deployment = Deployment(session)
    for name in plan.CONTRACTS:
        deployment.ensure_contract(name)
    # Roles after what they are for: until then it is the administrator's, who has to wait for nothing yet.
    deployment.ensure_ties()
    deployment.ensure_currencies()
    deployment.ensure_roles()
    deployment.ensure_administrator()
    deployment.ensure_coins()
    deployment.finish()


def refuse_shortcuts(session: Session) -> None:
    """Raises ScriptError where a chain with real money would be given a test chain's settings."""
    if session.network.is_test:
        return
    if wrong := list(plan.shortcuts(session.settings)):
        raise ScriptError(
            f"{session.network.name} is no test chain; the settings (scripts/deployment.toml, or "
            f"DEPLOYMENT_SETTINGS) are not fit for it: {'; '.join(wrong)}."
        )


class Deployment:
    """Carries out the plan, one step at a time, each only where it is missing."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.record = session.record
        self.deployer = session.key("deployer")

    def ensure_contract(self, name: str, *arguments: Any, record_as: str = "") -> Any:
        """The contract, deployed if it is not there as it would be now."""
        container = getattr(project(), name)
        given = list(arguments) or [self._argument(name, item["name"]) for item in _constructor(container)]
        creation = "0x" + keccak(hexstr=container.deploy.encode_input(*given)).hex()
        known = self.record.contracts.get(record_as or name)
        if (
            known
            and known["creation_hash"] == creation
            and known["code_hash"] == _code_hash(known["address"])
        ):
            return container.at(known["address"])
        if known and not self.session.network.is_local:
            raise ScriptError(
                f"{name} at {known['address']} is not what these sources compile to. A public ledger is "
                f"not replaced in passing: move {self.record.path} away to deploy a new one, and record "
                "the migration."
            )
        self._say(f"deploying {record_as or name}")
        contract = container.deploy(*given, self._sender)
        receipt = contract.tx
        self.record.contracts[record_as or name] = {
            "address": contract.address,
            "abi": self.record.save_abi(name, abi_of(name)),
            "block": receipt.block_number,
            "transaction": receipt.txid,
            "creation_hash": creation,
            "code_hash": _code_hash(contract.address),
            "eip712": _domain(contract),
        }
        self.record.save()
        return contract

    def ensure_roles(self) -> None:
        """Every role labelled, held by who the settings say, and allowed its functions."""
        governance = self.session.contract("Governance")
        changes = []
        for role in plan.ROLES:
            holder = self.session.address(self.session.settings["roles"][role.name])
            delay = self.session.settings["role_delays"][role.name]
            member, present_delay = governance.hasRole(role.id, holder)
            if not member or present_delay != delay:
                changes.append(governance.labelRole.encode_input(role.id, role.name))
                changes.append(governance.grantRole.encode_input(role.id, holder, delay))
            for name, functions in role.functions.items():
                contract = self.session.contract(name)
                missing = [
                    selector
                    for selector in (contract.signatures[function] for function in functions)
                    if governance.getTargetFunctionRole(contract.address, selector) != role.id
                ]
                if missing:
                    change = governance.setTargetFunctionRole.encode_input(contract, missing, role.id)
                    changes.append(change)
        self._ensure(
            f"{', '.join(role.name for role in plan.ROLES)} are who they should be, with their functions",
            not changes,
            partial(governance.multicall, changes, self._sender),
        )

    def ensure_administrator(self) -> None:
        """Who gives roles is who the settings say, after their delay; the deployer only if it is that."""
        governance = self.session.contract("Governance")
        holder = self.session.address(self.session.settings["roles"][plan.ADMINISTRATOR.name])
        delay = self.session.settings["role_delays"][plan.ADMINISTRATOR.name]
        changes = []
        if tuple(governance.hasRole(plan.ADMINISTRATOR.id, holder)) != (True, delay):
            grant = governance.grantRole.encode_input(plan.ADMINISTRATOR.id, holder, delay)
            changes.append(grant)
        deployer = str(self.deployer.address)
        if deployer != holder and governance.hasRole(plan.ADMINISTRATOR.id, deployer)[0]:
            changes.append(governance.renounceRole.encode_input(plan.ADMINISTRATOR.id, deployer))
        self._ensure(
            f"{holder} gives roles, {delay} seconds after saying so",
            not changes,
            partial(governance.multicall, changes, self._sender),
        )

    def ensure_ties(self) -> None:
        """The contracts know each other, the relayer may anchor, and the fingerprint key is on the chain."""
        fingerprints = self.session.contract("Fingerprints")
        receivables = self.session.contract("Receivables")
        financing = self.session.contract("Financing")
        log = self.session.contract("ProvenanceLog")
        relayer = self.session.address("relayer")
        key = fingerprint_public_key(self.session.network.keys)
        keys = [bytes(known) for known in fingerprints.keysOf(fingerprints.currentKeySet())]
        self._ensure(
            "fingerprints are made under this ledger's key",
            keys == [key],
            partial(fingerprints.changeKeys, [key], self._sender),
        )
        self._ensure(
            "Receivables takes fingerprints",
            fingerprints.isWriter(receivables.address),
            partial(fingerprints.recordWriter, receivables.address, self._sender),
        )
        self._ensure(
            "Financing moves sold units",
            receivables.operatorState(financing.address) == plan.ACTIVE,
            partial(receivables.setOperator, financing.address, plan.ACTIVE, self._sender),
        )
        self._ensure(
            "the relayer anchors the log",
            log.isAnchorer(relayer),
            partial(log.setAnchorer, relayer, True, self._sender),
        )

    def ensure_currencies(self) -> None:
        """Every settlement token of the settings is admitted; a test token is deployed for one without."""
        receivables = self.session.contract("Receivables")
        admitted = {receivables.currency(index)[0] for index in receivables.currencyIds()}
        for currency in self.session.settings["currencies"]:
            token = self._token(currency)
            code = "0x" + currency["code"].encode().hex()
            self._ensure(
                f"{currency['code']} is settled in {token.address}",
                token.address in admitted,
                partial(
                    receivables.admitCurrency,
                    token.address,
                    code,
                    currency["digits"],
                    currency["minimum"],
                    self._sender,
                ),
            )
            self.record.tokens[token.address] = {
                "symbol": token.symbol(),
                "decimals": token.decimals(),
                "currency": currency["code"],
                "exponent": token.decimals() - currency["digits"],
            }
        self.record.save()

    def ensure_coins(self) -> None:
        """The relayer can pay for transactions."""
        coins = self.session.settings["coins"]
        relayer = self.session.address("relayer")
        balance = brownie.web3.eth.get_balance(relayer)
        given = max(coins["given"] - balance, 0)
        self._ensure(
            f"the relayer {relayer} can pay for transactions",
            balance >= coins["least"],
            partial(self.deployer.transfer, relayer, given),
        )

    def finish(self) -> None:
        """Waits until all of it is confirmed, completes the record and says where things are."""
        self.session.wait_for_confirmations()
        block = min(entry["block"] for entry in self.record.contracts.values())
        self.record.data["block"] = block
        self.record.data["block_hash"] = brownie.web3.eth.get_block(block)["hash"].to_0x_hex()
        self.record.data["network"] = self.session.network.name
        self.record.data["relayer"] = self.session.address("relayer")
        self.record.data["compiler"] = _compiler()
        self.record.save()
        for name, entry in self.record.contracts.items():
            self._say(f"{name} {entry['address']}")
        self._say(f"recorded in {self.record.path}")

    @property
    def _sender(self) -> dict[str, Any]:
        return sent_by(self.deployer)

    def _argument(self, contract: str, parameter: str) -> Any:
        source = plan.ARGUMENTS.get(parameter.removesuffix("_"))
        if source is None:
            raise ScriptError(f"scripts/plan.py does not say what {contract}'s {parameter!r} is given.")
        if source in plan.CONTRACTS:
            return self.session.contract(source).address
        if "." in source:
            section, name = source.split(".")
            return self.session.settings[section][name]
        return self.session.address(source)

    def _token(self, currency: dict[str, Any]) -> Any:
        if "token" in currency:
            return brownie.Contract.from_abi(currency["code"], currency["token"], project().TestCurrency.abi)
        return self.ensure_contract(
            "TestCurrency",
            currency["name"],
            currency["symbol"],
            currency["decimals"],
            record_as=currency["symbol"],
        )

    def _ensure(self, what: str, done: bool, *steps: Callable[[], object]) -> None:
        if not done:
            self._say(f"making sure that {what}")
            for step in steps:
                step()

    def _say(self, text: str) -> None:
        print(f"  {text}", flush=True)


def _constructor(container: Any) -> list[dict[str, Any]]:
    return next((item["inputs"] for item in container.abi if item["type"] == "constructor"), [])


def _code_hash(address: str) -> str:
    return "0x" + keccak(bytes(brownie.web3.eth.get_code(address))).hex()


def _domain(contract: Any) -> dict[str, str] | None:
    """Name and version of its EIP-712 domain, by its own word (ERC-5267)."""
    if not hasattr(contract, "eip712Domain"):
        return None
    _, name, version, *_ = contract.eip712Domain()
    return {"name": name, "version": version}


def _compiler() -> dict[str, Any]:
    settings: dict[str, Any] = project().Governance._build["compiler"]
    solc = project()._compiler_config["solc"]
    return {**settings, "via_ir": bool(solc.get("viaIR")), "remappings": solc["remappings"]}
