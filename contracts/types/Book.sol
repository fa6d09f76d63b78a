// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Holder, HolderSlot, MainHolder, MainHolderSlot, mainHolder} from "./Holder.sol";
import {StateSlot} from "./State.sol";

// The storage of Receivables. The common path (issue, confirm, sell whole, pay in full and on time, redeem) touches
// `State` and `MainHolder` alone, a word each; everything else begins with the first event that makes it needed.

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
    /// The one holder that stands here instead of among the others: the supplier, then whoever takes all of it over. So a
    /// claim that changes hands whole changes a word and begins none.
    mapping(bytes32 id => MainHolderSlot) mains;
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

using {holder, setHolder} for Book global;

/// @notice What an account holds.
function holder(Book storage self, bytes32 id, address account) view returns (Holder) {
    MainHolder main = self.mains[id].loadMain();
    return main.account() == account ? main.holder() : self.holders[id][account].load();
}

/// @notice Writes what an account holds. A main holder that has more to remember than fits goes among the others.
function setHolder(Book storage self, bytes32 id, address account, Holder word) {
    MainHolderSlot storage slot = self.mains[id];
    if (slot.loadMain().account() != account) {
        self.holders[id][account].store(word);
    } else if (!word.isEmpty() && word.fitsMain()) {
        slot.storeMain(mainHolder(account, word));
    } else {
        slot.storeMain(MainHolder.wrap(0));
        if (!word.isEmpty()) self.holders[id][account].store(word);
    }
}
