// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Parcel} from "./Receivable.sol";

/// @notice When the seller of a claim must take it back. Warranty always: the claim did not exist, is set off, or
/// was diluted.
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
    /// Minor units at which the seller takes everything back; part of the units, the same part of it.
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
    /// Whoever signs for the buyer's account and pays out of its own wallet, and its nonce.
    address signer;
    uint256 nonce;
}

/// @notice Where a sale stands.
enum SaleStatus {
    None,
    /// Units are locked until the seller acknowledges the cash, or time is up.
    Locked,
    Done,
    /// Time was up; the units went back.
    Lapsed
}
