// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Parcel} from "./Receivable.sol";

/// @notice When the seller of a claim may be asked to take it back. Warranty always: the claim did not exist, is set
/// off, or was diluted.
enum Recourse {
    WarrantyOnly,
    /// Also when the debtor is in default.
    Credit
}

/// @notice What a buyer signs: EIP-712 `Offer`. All parcels or none.
struct Offer {
    address buyer;
    /// The one account that may accept it.
    address seller;
    Parcel[] parcels;
    /// Settlement token of the price.
    address token;
    /// Minor units of the token's currency, for all parcels together; `reserve` is the deferred part of it.
    uint64 price;
    uint64 reserve;
    Recourse recourse;
    /// Minor units at which the seller takes everything back; for a part, the same part of it. Never zero: there is always
    /// a warranty.
    uint64 repurchasePrice;
    /// Whether the buyer buys although a lot of a receivable is under dispute.
    bool acceptDispute;
    /// Hashes of the master agreement and of the law and venue.
    bytes32 agreement;
    bytes32 law;
    /// Zero for delivery versus payment; otherwise a sale against acknowledged cash, whose units stay locked for so
    /// many seconds from acceptance, until the seller signs for the cash.
    uint32 lockTime;
    /// The last second at which it may be accepted.
    uint40 expiry;
    /// Whoever signs for the buyer's account and pays out of its own wallet.
    address signer;
    /// Makes offers differ that are alike otherwise. It is no nonce of `ISignedActions`: an offer is used up as itself.
    uint256 salt;
}

/// @notice Where an offer, and the sale that came of it, stands.
enum SaleStatus {
    None,
    /// Units are locked until the seller acknowledges the cash, or time is up.
    Locked,
    Done,
    /// Time was up; the units went back.
    Lapsed,
    /// The offer was taken back before anybody accepted it.
    Cancelled
}

/// @notice A sale as it is stored: everything else is in the offer, whose digest is the sale's id.
/// @dev One word, written at once: | facts 208 | acceptedAt 40 | status 8 |
type Sale is uint256;

/// @notice What held when the units changed hands, brought along by whoever calls later. Empty where all of it is zero,
/// as it is for whoever buys a receivable for the first time; otherwise as the sale's event says.
struct Facts {
    /// For each parcel, how many units of that receivable the buyer had sent away before: recourse counts from there.
    uint64[] sent;
    /// For each parcel, by how much credit notes had reduced the buyer's units before.
    uint64[] reduced;
}

/// @notice Where a warranty demand stands. The chain judges none.
enum DemandStatus {
    None,
    Made,
    Admitted,
    Denied
}

/// @notice Recourse on one parcel of a sale.
struct Claim {
    DemandStatus demand;
    /// Whether the seller took it back. Once.
    bool performed;
}

/// @notice The deferred part of a sale's price, minor units: `open` while nobody is due, then due to the one or other.
struct Reserve {
    uint64 open;
    uint64 toBuyer;
    uint64 toSeller;
}

using {addressAt, hash, isInRange, parcelsOf, wordAt} for Offer global;
using {status, acceptedAt, facts} for Sale global;

function createSale(SaleStatus status_, uint256 acceptedAt_, bytes26 facts_) pure returns (Sale sale) {
    assembly ("memory-safe") {
        sale := or(shl(48, shr(48, facts_)), or(shl(8, and(acceptedAt_, 0xffffffffff)), and(status_, 0xff)))
    }
}

function status(Sale self) pure returns (SaleStatus) {
    return SaleStatus(uint8(Sale.unwrap(self)));
}

/// @notice When the offer was accepted, Unix time.
function acceptedAt(Sale self) pure returns (uint40) {
    return uint40(Sale.unwrap(self) >> 8);
}

/// @notice Hash of the facts; zero while the units are locked, and where the facts are empty.
function facts(Sale self) pure returns (bytes26) {
    return bytes26(bytes32(Sale.unwrap(self)));
}

bytes32 constant PARCEL_TYPEHASH = keccak256("Parcel(bytes32 id,uint64 units,uint64 minUnpaid)");

bytes32 constant OFFER_TYPEHASH = keccak256(
    "Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
);

// The actions that take an offer: see `IFinancing`.

bytes32 constant ACCEPT_TYPEHASH = keccak256(
    "Accept(Offer offer,uint64 minPrice,uint256 nonce,uint256 deadline,uint256 gasFloor)Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
);

bytes32 constant CANCEL_OFFER_TYPEHASH = keccak256(
    "CancelOffer(Offer offer,uint256 nonce,uint256 deadline,uint256 gasFloor)Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
);

bytes32 constant ACKNOWLEDGE_CASH_TYPEHASH = keccak256(
    "AcknowledgeCash(Offer offer,bytes32 paymentReference,uint256 nonce,uint256 deadline,uint256 gasFloor)Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
);

bytes32 constant DEMAND_WARRANTY_TYPEHASH = keccak256(
    "DemandWarranty(Offer offer,uint256 parcel,bytes32 evidence,uint256 nonce,uint256 deadline,uint256 gasFloor)Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
);

bytes32 constant ANSWER_WARRANTY_TYPEHASH = keccak256(
    "AnswerWarranty(Offer offer,uint256 parcel,bool admitted,bytes32 answer,uint256 nonce,uint256 deadline,uint256 gasFloor)Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
);

bytes32 constant PERFORM_RECOURSE_TYPEHASH = keccak256(
    "PerformRecourse(Offer offer,uint256 parcel,bool warranty,uint64 maxPrice,uint256 nonce,uint256 deadline,uint256 gasFloor)Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
);

// Where the members of an offer are, in bytes from its beginning.
uint256 constant OFFER_BUYER = 0x00;
uint256 constant OFFER_SELLER = 0x20;
uint256 constant OFFER_PARCELS = 0x40;
uint256 constant OFFER_TOKEN = 0x60;
uint256 constant OFFER_PRICE = 0x80;
uint256 constant OFFER_RESERVE = 0xa0;
uint256 constant OFFER_RECOURSE = 0xc0;
uint256 constant OFFER_REPURCHASE_PRICE = 0xe0;
uint256 constant OFFER_ACCEPT_DISPUTE = 0x100;
uint256 constant OFFER_LOCK_TIME = 0x160;
uint256 constant OFFER_EXPIRY = 0x180;
uint256 constant OFFER_SIGNER = 0x1a0;

/// @notice A member of the offer as it stands in calldata, for a tenth of what the compiler's check of its range costs
/// each time: `isInRange` checks all at once.
function wordAt(Offer calldata offer, uint256 position) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := calldataload(add(offer, position))
    }
}

function addressAt(Offer calldata offer, uint256 position) pure returns (address value) {
    assembly ("memory-safe") {
        value := shr(96, shl(96, calldataload(add(offer, position))))
    }
}

/// @notice Whether each member but the parcels is in the range of its type.
function isInRange(Offer calldata offer) pure returns (bool inRange) {
    assembly ("memory-safe") {
        // Addresses.
        let excess := or(calldataload(offer), calldataload(add(offer, OFFER_SELLER)))
        excess := or(excess, calldataload(add(offer, OFFER_TOKEN)))
        excess := shr(160, or(excess, calldataload(add(offer, OFFER_SIGNER))))
        let amounts := or(calldataload(add(offer, OFFER_PRICE)), calldataload(add(offer, OFFER_RESERVE)))
        amounts := or(amounts, calldataload(add(offer, OFFER_REPURCHASE_PRICE)))
        excess := or(excess, shr(64, amounts))
        // Two kinds of recourse, and yes or no.
        let choices :=
            or(calldataload(add(offer, OFFER_RECOURSE)), calldataload(add(offer, OFFER_ACCEPT_DISPUTE)))
        excess := or(excess, shr(1, choices))
        excess := or(excess, shr(32, calldataload(add(offer, OFFER_LOCK_TIME))))
        inRange := iszero(or(excess, shr(40, calldataload(add(offer, OFFER_EXPIRY)))))
    }
}

/// @notice The parcels, which must lie in calldata: what the compiler's own check asks, at half its cost.
function parcelsOf(Offer calldata offer) pure returns (Parcel[] calldata parcels) {
    assembly ("memory-safe") {
        let start := calldataload(add(offer, OFFER_PARCELS))
        let outside := shr(64, start)
        start := add(offer, start)
        parcels.length := calldataload(start)
        parcels.offset := add(start, 0x20)
        outside := or(outside, shr(64, parcels.length))
        if or(outside, gt(add(parcels.offset, mul(parcels.length, 0x60)), calldatasize())) {
            revert(0, 0)
        }
    }
}

/// @notice The units of all parcels together, and whether they fit 64 bits, and the least unpaid share of each parcel is
/// neither zero nor above its units.
function unitsOf(Parcel[] calldata parcels) pure returns (uint256 units, bool sound) {
    assembly ("memory-safe") {
        let end := add(parcels.offset, mul(parcels.length, 0x60))
        let wrong := 0
        for { let parcel := parcels.offset } lt(parcel, end) { parcel := add(parcel, 0x60) } {
            let own := calldataload(add(parcel, 0x20))
            let least := calldataload(add(parcel, 0x40))
            wrong := or(wrong, or(or(iszero(least), gt(least, own)), shr(64, own)))
            units := add(units, own)
        }
        sound := iszero(or(wrong, shr(64, units)))
    }
}

/// @notice EIP-712 `hashStruct` of the offer, with its own parcels. Takes its words as they come; whoever reads a member
/// checks its range.
function hash(Offer calldata offer, Parcel[] calldata parcels) pure returns (bytes32 structHash) {
    bytes32 offerTypehash = OFFER_TYPEHASH;
    bytes32 parcelTypehash = PARCEL_TYPEHASH;
    assembly ("memory-safe") {
        let data := mload(0x40)
        let hashes := add(data, 0x80)
        mstore(data, parcelTypehash)
        for { let i := 0 } lt(i, parcels.length) { i := add(i, 1) } {
            calldatacopy(add(data, 0x20), add(parcels.offset, mul(i, 0x60)), 0x60)
            mstore(add(hashes, shl(5, i)), keccak256(data, 0x80))
        }
        let hashOfParcels := keccak256(hashes, shl(5, parcels.length))
        // The type hash and the 15 members, of which the third is the parcels.
        mstore(data, offerTypehash)
        calldatacopy(add(data, 0x20), offer, 0x1e0)
        mstore(add(data, 0x60), hashOfParcels)
        structHash := keccak256(data, 0x200)
    }
}
