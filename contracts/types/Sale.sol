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
    /// Minor units at which the seller takes everything back; for a part, the same part of it.
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

using {hash, load} for Offer global;
using {status, acceptedAt, facts} for Sale global;

function createSale(SaleStatus status_, uint40 acceptedAt_, bytes26 facts_) pure returns (Sale) {
    return Sale.wrap(uint256(bytes32(facts_)) | (uint256(acceptedAt_) << 8) | uint8(status_));
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

/// @notice EIP-712 `hashStruct` of the offer. Takes its words as they come; whoever reads a member checks its range.
function hash(Offer calldata offer) pure returns (bytes32 structHash) {
    Parcel[] calldata parcels = offer.parcels;
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

/// @notice Copies the members of an offer, without its parcels, into memory, where reading one costs a tenth.
/// @return members Reads as the offer, with no parcels.
/// @return sound Whether each member is in the range of its type, which the ABI decoder would check one by one.
function load(Offer calldata offer) pure returns (Offer memory members, bool sound) {
    assembly ("memory-safe") {
        function word(at, index) -> value {
            value := mload(add(at, shl(5, index)))
        }
        calldatacopy(members, offer, 0x1e0)
        mstore(add(members, 0x40), 0x60)
        // Addresses: buyer, seller, token, signer. 64 bits: price, reserve, repurchase price. Then recourse, dispute, lock
        // time, expiry.
        let excess :=
            shr(160, or(or(word(members, 0), word(members, 1)), or(word(members, 3), word(members, 13))))
        excess := or(excess, shr(64, or(or(word(members, 4), word(members, 5)), word(members, 7))))
        excess := or(excess, shr(1, or(word(members, 6), word(members, 8))))
        excess := or(excess, or(shr(32, word(members, 11)), shr(40, word(members, 12))))
        sound := iszero(excess)
    }
}
