// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {HolderSlot} from "./Holder.sol";
import {StateSlot} from "./State.sol";

// The storage of Receivables. The common path (issue, confirm, transfer, pay in full and on time, redeem) touches
// `State` and `Holder` alone, a word each; everything else begins with the first event that makes it needed.

/// @notice Sums of a receivable, from the first payment or extinction on (`STATE_ACCOUNTED`). What is missing from the
/// face was reduced.
struct Totals {
    uint64 unpaid;
    uint64 paid;
    uint64 closed;
    uint64 units;
}

/// @notice Money that came in, shared out by units: scaled by 2^64, `index` for each unit, `pool` what did not divide.
/// @dev The index cannot overflow: at first no more than one minor unit can come for each unit, and each extinction can
/// raise that by less than one over the units left, so the sum stays below 1 + H(2^64) < 2^6.
struct Pot {
    uint128 pool;
    uint96 index;
}

/// @notice Late interest of a receivable, in minor units times millionths times seconds.
struct Late {
    /// Accrued up to `since`, including what was paid, less what was cancelled.
    uint128 accrued;
    uint64 paid;
    uint40 since;
}

/// @notice What an account can redeem, scaled by 2^64.
struct Money {
    uint128 face;
    uint128 interest;
}

/// @notice What few holders need.
struct Rare {
    /// The interest pot's index up to which its money was counted.
    uint96 interestIndex;
    /// Units marked as written off.
    uint64 marked;
    /// Amounts of its units that credit notes reduced and that were closed outside.
    uint64 reduced;
    uint64 closed;
}

/// @notice All of it.
struct Book {
    mapping(bytes32 id => StateSlot) states;
    mapping(bytes32 id => mapping(address account => HolderSlot)) holders;
    mapping(bytes32 id => Totals) totals;
    mapping(bytes32 id => Pot) facePots;
    mapping(bytes32 id => Pot) interestPots;
    mapping(bytes32 id => Late) late;
    mapping(bytes32 id => mapping(address account => Money)) money;
    mapping(bytes32 id => mapping(address account => Rare)) rare;
    mapping(bytes32 id => uint64) marked;
    mapping(bytes32 lot => bytes32 id) parents;
    mapping(bytes32 id => mapping(bytes32 note => uint256)) notes;
    mapping(bytes32 id => mapping(address account => uint64)) receipts;
}
