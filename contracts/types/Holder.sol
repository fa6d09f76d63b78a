// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What one account holds of a receivable, in one word.
/// @dev From the lowest bit: | units 64 | sent 64 | index 96 | flags 32 |
///
/// sent: units sent away since `HOLDER_SOLD` was set, but for recourse and locks that lapsed; stops at its largest value. index: the face pot's index up to which
/// its money was counted. flags: `HOLDER_…` bits.
type Holder is uint256;

/// @notice Where a `Holder` is stored. The compiler lays its members out as the word above.
struct HolderSlot {
    uint64 units;
    uint64 sent;
    uint96 index;
    uint32 flags;
}

/// @notice A holder's word that also names its account, for one holder of each receivable: see `Book.mains`.
/// @dev From the lowest bit: | account 160 | units 64 | flags 32 |
type MainHolder is uint256;

/// @notice Where a `MainHolder` is stored. The compiler lays its members out as the word above.
struct MainHolderSlot {
    address account;
    uint64 units;
    uint32 flags;
}

using HolderWord for Holder global;
using {load, store} for HolderSlot global;
using {account, holder} for MainHolder global;
using {loadMain, storeMain} for MainHolderSlot global;

uint32 constant HOLDER_SOLD = 1 << 0; // its units, or units they were mixed with, went through a recorded sale
uint32 constant HOLDER_MARKED = 1 << 1; // `Rare.marked` is not zero
uint32 constant HOLDER_WAIVES = 1 << 2; // its interest goes back to the debtor
uint32 constant HOLDER_LOCK = 1 << 3; // no party's account: units set aside until a sale is done or lapses

/// @notice Reads the word.
function load(HolderSlot storage self) view returns (Holder word) {
    assembly ("memory-safe") {
        word := sload(self.slot)
    }
}

/// @notice Writes the word.
function store(HolderSlot storage self, Holder word) {
    assembly ("memory-safe") {
        sstore(self.slot, word)
    }
}

/// @notice Reads the word.
function loadMain(MainHolderSlot storage self) view returns (MainHolder word) {
    assembly ("memory-safe") {
        word := sload(self.slot)
    }
}

/// @notice Writes the word.
function storeMain(MainHolderSlot storage self, MainHolder word) {
    assembly ("memory-safe") {
        sstore(self.slot, word)
    }
}

/// @notice The word of a holder that has neither sent units away nor an index.
function mainHolder(address account_, Holder holder_) pure returns (MainHolder word) {
    uint256 asHolder = Holder.unwrap(holder_);
    assembly ("memory-safe") {
        word := or(shr(96, shl(96, account_)), or(shl(160, asHolder), shl(224, shr(224, asHolder))))
    }
}

function account(MainHolder self) pure returns (address) {
    return address(uint160(MainHolder.unwrap(self)));
}

/// @notice What it holds, as any other holder's word.
function holder(MainHolder self) pure returns (Holder word) {
    assembly ("memory-safe") {
        word := or(and(shr(160, self), 0xffffffffffffffff), shl(224, shr(224, self)))
    }
}

/// @title Reading and changing a `Holder`; changes are of the word in hand, not of storage
library HolderWord {
    function units(Holder self) internal pure returns (uint64) {
        return uint64(Holder.unwrap(self));
    }

    function sent(Holder self) internal pure returns (uint64) {
        return uint64(Holder.unwrap(self) >> 64);
    }

    function index(Holder self) internal pure returns (uint96) {
        return uint96(Holder.unwrap(self) >> 128);
    }

    function flags(Holder self) internal pure returns (uint32) {
        return uint32(Holder.unwrap(self) >> 224);
    }

    /// Fewer units; the caller checked that there are so many.
    function minus(Holder self, uint256 value) internal pure returns (Holder) {
        unchecked {
            return Holder.wrap(Holder.unwrap(self) - value);
        }
    }

    /// More units; the units of a receivable fit 64 bits together.
    function plus(Holder self, uint256 value) internal pure returns (Holder) {
        unchecked {
            return Holder.wrap(Holder.unwrap(self) + value);
        }
    }

    function has(Holder self, uint32 flag) internal pure returns (bool) {
        return Holder.unwrap(self) & (uint256(flag) << 224) != 0;
    }

    /// Whether it fits beside the name of its account.
    function fitsMain(Holder self) internal pure returns (bool) {
        return (Holder.unwrap(self) << 32) >> 96 == 0;
    }

    /// Whether there is nothing to remember of it.
    function isEmpty(Holder self) internal pure returns (bool) {
        return Holder.unwrap(self) == 0;
    }

    /// Whether so many units are all of its units, none of them marked as written off.
    function isAll(Holder self, uint256 value) internal pure returns (bool) {
        return value != 0 && uint64(Holder.unwrap(self)) == value && !self.has(HOLDER_MARKED);
    }

    function withFlag(Holder self, uint32 flag) internal pure returns (Holder) {
        return Holder.wrap(Holder.unwrap(self) | (uint256(flag) << 224));
    }

    function withUnits(Holder self, uint64 value) internal pure returns (Holder) {
        return Holder.wrap((Holder.unwrap(self) & ~(uint256(type(uint64).max))) | (uint256(value)));
    }

    function withSent(Holder self, uint64 value) internal pure returns (Holder) {
        return
            Holder.wrap((Holder.unwrap(self) & ~(uint256(type(uint64).max) << 64)) | (uint256(value) << 64));
    }

    function withIndex(Holder self, uint96 value) internal pure returns (Holder) {
        return
            Holder.wrap((Holder.unwrap(self) & ~(uint256(type(uint96).max) << 128)) | (uint256(value) << 128));
    }

    function withFlags(Holder self, uint32 value) internal pure returns (Holder) {
        return
            Holder.wrap((Holder.unwrap(self) & ~(uint256(type(uint32).max) << 224)) | (uint256(value) << 224));
    }
}
