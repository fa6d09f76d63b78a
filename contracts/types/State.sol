// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Status} from "./Receivable.sol";

/// @notice One receivable, or one of its lots, in one word: read once, written once.
/// @dev From the lowest bit:
/// | status 8 | flags 8 | lots 8 | openDisputes 8 | currency 32 | graceDays 16 | lateRate 24 | confirmedAt 40 |
/// | dueEnd 40 | face 64 | unused 8 |
///
/// flags: `STATE_…` bits. lots: how many ever left it; openDisputes: how many of them are under dispute now.
/// confirmedAt: until it is confirmed, the first second at which its tenor is short enough for that.
type State is uint256;

/// @notice Where a `State` is stored. The compiler lays its members out as the word above.
struct StateSlot {
    Status status;
    uint8 flags;
    uint8 lots;
    uint8 openDisputes;
    uint32 currency;
    uint16 graceDays;
    uint24 lateRate;
    uint40 confirmedAt;
    uint40 dueEnd;
    uint64 face;
}

using StateWord for State global;
using {load, store} for StateSlot global;

uint8 constant STATE_ACCOUNTED = 1 << 0; // totals and pots are in use
uint8 constant STATE_INTEREST = 1 << 1; // interest was paid
uint8 constant STATE_LOT = 1 << 2; // not transferable
uint8 constant STATE_DISPUTED = 1 << 3; // under dispute itself
uint8 constant STATE_WAS_WRITTEN_OFF = 1 << 4;
uint8 constant STATE_FACE_FIRST = 1 << 5;
uint8 constant STATE_IRREVOCABLE = 1 << 6;

/// @notice Reads the word.
function load(StateSlot storage self) view returns (State word) {
    assembly ("memory-safe") {
        word := sload(self.slot)
    }
}

/// @notice Writes the word.
function store(StateSlot storage self, State word) {
    assembly ("memory-safe") {
        sstore(self.slot, word)
    }
}

/// @title Reading and changing a `State`; changes are of the word in hand, not of storage
library StateWord {
    /// The state of a new receivable, of no status yet.
    /// @dev The caller checked that each fits.
    function create(
        uint256 flags_,
        uint256 currency_,
        uint256 graceDays_,
        uint256 lateRate_,
        uint256 confirmableFrom_,
        uint256 dueEnd_,
        uint256 face_
    ) internal pure returns (State) {
        return State.wrap(
            (flags_ << 8) | (currency_ << 32) | (graceDays_ << 64) | (lateRate_ << 80)
                | (confirmableFrom_ << 104) | (dueEnd_ << 144) | (face_ << 184)
        );
    }

    /// @dev No other value is ever written, so the compiler need not check for one at each reading.
    function status(State self) internal pure returns (Status value) {
        assembly ("memory-safe") {
            value := and(self, 0xff)
        }
    }

    /// Whether it is confirmed, all of it unpaid, transferable, and not under dispute.
    function isPlain(State self) internal pure returns (bool) {
        uint256 asked = 0xff | (uint256(STATE_ACCOUNTED | STATE_LOT) << 8) | (0xff << 24);
        return State.unwrap(self) & asked == uint256(Status.Confirmed);
    }

    /// Whether totals and pots are in use.
    function isAccounted(State self) internal pure returns (bool) {
        return State.unwrap(self) & (uint256(STATE_ACCOUNTED) << 8) != 0;
    }

    function flags(State self) internal pure returns (uint8) {
        return uint8(State.unwrap(self) >> 8);
    }

    function lots(State self) internal pure returns (uint8) {
        return uint8(State.unwrap(self) >> 16);
    }

    function openDisputes(State self) internal pure returns (uint8) {
        return uint8(State.unwrap(self) >> 24);
    }

    function currency(State self) internal pure returns (uint32) {
        return uint32(State.unwrap(self) >> 32);
    }

    function graceDays(State self) internal pure returns (uint16) {
        return uint16(State.unwrap(self) >> 64);
    }

    function lateRate(State self) internal pure returns (uint24) {
        return uint24(State.unwrap(self) >> 80);
    }

    function confirmedAt(State self) internal pure returns (uint40) {
        return uint40(State.unwrap(self) >> 104);
    }

    function dueEnd(State self) internal pure returns (uint40) {
        return uint40(State.unwrap(self) >> 144);
    }

    function face(State self) internal pure returns (uint64) {
        return uint64(State.unwrap(self) >> 184);
    }

    function withStatus(State self, Status value) internal pure returns (State) {
        return State.wrap((State.unwrap(self) & ~(uint256(type(uint8).max))) | (uint256(value)));
    }

    function withFlags(State self, uint8 value) internal pure returns (State) {
        return State.wrap((State.unwrap(self) & ~(uint256(type(uint8).max) << 8)) | (uint256(value) << 8));
    }

    function withLots(State self, uint8 value) internal pure returns (State) {
        return State.wrap((State.unwrap(self) & ~(uint256(type(uint8).max) << 16)) | (uint256(value) << 16));
    }

    function withOpenDisputes(State self, uint8 value) internal pure returns (State) {
        return State.wrap((State.unwrap(self) & ~(uint256(type(uint8).max) << 24)) | (uint256(value) << 24));
    }

    function withConfirmedAt(State self, uint40 value) internal pure returns (State) {
        return
            State.wrap((State.unwrap(self) & ~(uint256(type(uint40).max) << 104)) | (uint256(value) << 104));
    }

    function withFace(State self, uint64 value) internal pure returns (State) {
        return
            State.wrap((State.unwrap(self) & ~(uint256(type(uint64).max) << 184)) | (uint256(value) << 184));
    }
}
