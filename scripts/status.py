"""Shows what stands on the chain: contracts, roles, currencies, the relayer's balance. Changes nothing."""

import brownie
from eth_utils.crypto import keccak

from scripts import plan
from scripts.session import Session, run


def main() -> None:
    """Brownie's entry point."""
    run(show)


def show(session: Session) -> None:
    """Prints the state of the deployment; says where chain and record differ."""
    print(f"  {session.network.name}: chain {brownie.chain.id}, block {brownie.chain.height}")
    print(f"  recorded in {session.record.path}")
    for name, entry in session.record.contracts.items():
        code = bytes(brownie.web3.eth.get_code(entry["address"]))
        found = "0x" + keccak(code).hex() == entry["code_hash"]
        print(f"  {name:<14} {entry['address']}  {'as recorded' if found else 'NOT THE RECORDED CODE'}")
    governance = session.contract("Governance")
    print("  ")
    for role in plan.ROLES:
        holder = session.address(session.settings["roles"][role.name])
        member, delay = governance.hasRole(role.id, holder)
        print(f"  {role.name:<14} {holder}  {f'delay {delay} s' if member else 'DOES NOT HOLD THE ROLE'}")
    print("  ")
    for address, token in session.record.tokens.items():
        print(f"  {token['currency']:<14} {address}  {token['symbol']}, {token['decimals']} decimals")
    balance = brownie.web3.eth.get_balance(session.record.data["relayer"])
    print(f"  relayer        {session.record.data['relayer']}  {balance / 10**18:.4f} coins")
    log = session.contract("ProvenanceLog")
    size = log.head()[1]
    print(f"  anchored log   {size} events")
