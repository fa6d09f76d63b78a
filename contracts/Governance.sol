// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title Who may change what on this ledger, and after which delay
/// @notice OpenZeppelin's AccessManager under a name of our own, so that it is compiled, deployed and verified with
/// the rest. Its roles and the functions they may call are in `scripts/plan.py`; none can move a claim.
contract Governance is AccessManager {
    constructor(address admin) AccessManager(admin) {}
}
