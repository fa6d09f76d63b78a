// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The stored states of a receivable. Due, overdue, in default, partly paid and recovered are not stored:
/// they follow from time and payments (`Phase`).
enum Status {
    /// Unknown here.
    None,
    /// Put forward by the supplier; worth nothing yet.
    Issued,
    /// Signed by the debtor: can be split, sold and paid.
    Confirmed,
    /// Nothing is owed any more. Final.
    Settled,
    /// Withdrawn by the supplier or rejected by the debtor before confirmation. Final.
    Cancelled,
    /// Another took its place before any sale. Final.
    Replaced,
    /// Every live unit is marked as written off. Still owed and payable.
    WrittenOff
}

/// @notice What a version of Financing may do with units.
enum OperatorState {
    /// Nothing.
    None,
    /// Sell, lock, unlock, send back.
    Active,
    /// Unlock and send back what it sold before.
    WindingDown
}

/// @notice Where a receivable stands in time: derived, never poked into being.
enum Phase {
    None,
    Issued,
    NotYetDue,
    /// Within the last day before `dueEnd`.
    DueToday,
    /// Past `dueEnd`, within grace.
    Overdue,
    /// Past grace.
    InDefault,
    Settled,
    Cancelled,
    Replaced,
    WrittenOff,
    /// Settled after having been written off.
    Recovered
}

/// @notice A receivable, or one of its disputed lots, as it is now.
struct Receivable {
    Status status;
    Phase phase;
    /// A lot: the part of a receivable that its debtor disputed. Payable, never transferable.
    bool isLot;
    /// A lot of it (or, for a lot, it itself) is under dispute.
    bool disputed;
    /// It was written off at some time.
    bool wasWrittenOff;
    /// Id of its currency and settlement token.
    uint32 currency;
    /// When the debtor's signature was recorded, Unix time.
    uint40 confirmedAt;
    uint40 dueEnd;
    uint16 graceDays;
    /// Millionths a year.
    uint24 lateRate;
    /// Lots that ever left it; their ids are `lotId(id, 1…lots)`.
    uint8 lots;
    /// Original face less what left as lots. Always `face == unpaid + paid + closed + reduced`.
    uint64 face;
    uint64 unpaid;
    uint64 paid;
    /// Closed by holders against payments outside.
    uint64 closed;
    /// Reduced by credit notes.
    uint64 reduced;
    /// Units that still share in payments.
    uint64 units;
    /// Late interest owed now, and paid so far; kept apart from the face.
    uint64 interestDue;
    uint64 interestPaid;
}

/// @notice What an account holds of a receivable.
struct Holding {
    uint64 units;
    /// Units marked as written off; they cannot be transferred.
    uint64 marked;
    /// Its share of what is unpaid, rounded down.
    uint64 unpaid;
    /// What it could redeem now of face and of interest, as the next to redeem: once all is settled, with whole units that
    /// did not divide.
    uint64 redeemable;
    uint64 redeemableInterest;
    /// Units it sent away since it first bought some in a recorded sale, without those that recourse sent back; falls
    /// only when a lock gives units back.
    uint64 sent;
    /// Of its units, extinguished by credit notes and closed outside, as amounts, since the beginning.
    uint64 reduced;
    uint64 closed;
    /// It gives its late interest back to the debtor.
    bool waivesInterest;
    /// Some of these units, or units they were mixed with, went through a recorded sale.
    bool sold;
}

/// @notice A currency, the token that settles it, and the rules of new business in it.
struct Currency {
    address token;
    /// ISO 4217 code.
    bytes3 code;
    /// A minor unit is `10 ** exponent` of the token's units.
    uint8 exponent;
    /// Whether new business may be done in it now.
    bool open;
    /// The smallest part that may be split off and the smallest part payment of others than the debtor, minor units.
    uint40 minimum;
    /// The longest time from confirmation to due date.
    uint16 maxTenorDays;
}

/// @notice Units of one receivable that change hands in a sale.
struct Parcel {
    bytes32 id;
    uint64 units;
    /// The least share of the unpaid amount these units must still carry, minor units.
    uint64 minUnpaid;
}

using {words} for Parcel global;

/// @notice The members as they stand in calldata; whoever uses them checks their range.
function words(Parcel calldata parcel) pure returns (bytes32 id, uint256 units, uint256 minUnpaid) {
    assembly ("memory-safe") {
        id := calldataload(parcel)
        units := calldataload(add(parcel, 0x20))
        minUnpaid := calldataload(add(parcel, 0x40))
    }
}
