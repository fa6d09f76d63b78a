// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A party's account, as it is now. Fits one storage slot.
struct Account {
    /// Where its cash is paid out.
    address payout;
    /// `ROLE_…` bits that its admission gives.
    uint16 roles;
    /// `ACCOUNT_…` bits.
    uint8 flags;
    /// Raised by recovery and succession; grants of earlier epochs are void.
    uint16 epoch;
    /// The first second it is no longer admitted. From then on no new business, but paying, redeeming, recourse and
    /// selling out.
    uint40 validUntil;
}

/// @notice What a key may do for an account. Fits one storage slot.
struct Grant {
    /// `SCOPE_…` bits.
    uint16 scopes;
    /// `GRANT_…` bits.
    uint8 flags;
    /// The account's epoch it was given in.
    uint16 epoch;
    /// The first second of it, and the first after it, which a revocation brings forward.
    uint40 from;
    uint40 until;
    /// The most that one action may be for, in minor units; `UNLIMITED` for no limit.
    uint64 limit;
    /// Above this amount a second signer of the same scope is needed; `UNLIMITED` for never.
    uint64 alone;
}

/// @notice An `Account` in one word, as its members lie in storage from the lowest bit, to be checked in few steps.
type AccountWord is uint256;

/// @notice A `Grant` in one word, likewise.
type GrantWord is uint256;

using {loadAccount} for Account global;
using {loadGrant} for Grant global;
using {addressAt, wordAt} for Sides global;
using AccountWords for AccountWord global;
using GrantWords for GrantWord global;

function loadAccount(Account storage self) view returns (AccountWord word) {
    assembly ("memory-safe") {
        word := sload(self.slot)
    }
}

function loadGrant(Grant storage self) view returns (GrantWord word) {
    assembly ("memory-safe") {
        word := sload(self.slot)
    }
}

/// @title Reading an `AccountWord`
library AccountWords {
    function payout(AccountWord self) internal pure returns (address) {
        return address(uint160(AccountWord.unwrap(self)));
    }

    function roles(AccountWord self) internal pure returns (uint16) {
        return uint16(AccountWord.unwrap(self) >> 160);
    }

    /// Whether it has any of these flags.
    function has(AccountWord self, uint8 flags) internal pure returns (bool) {
        return AccountWord.unwrap(self) & (uint256(flags) << 176) != 0;
    }

    function epoch(AccountWord self) internal pure returns (uint16) {
        return uint16(AccountWord.unwrap(self) >> 184);
    }

    /// Whether it is admitted now, for this role.
    function isAdmitted(AccountWord self, uint16 role) internal view returns (bool admitted) {
        assembly ("memory-safe") {
            admitted := and(
                gt(and(shr(200, self), 0xffffffffff), timestamp()),
                eq(and(shr(160, self), role), role)
            )
        }
    }

    function validUntil(AccountWord self) internal pure returns (uint40) {
        return uint40(AccountWord.unwrap(self) >> 200);
    }
}

/// @title Reading a `GrantWord`
library GrantWords {
    /// Whether it covers any of these scopes.
    function covers(GrantWord self, uint16 scopes) internal pure returns (bool) {
        return GrantWord.unwrap(self) & scopes != 0;
    }

    /// Whether it lets its key do something of this scope and amount now, by itself, with no other limit to look up.
    function letsAlone(GrantWord self, uint16 scope, uint256 amount, uint16 epoch_)
        internal
        view
        returns (bool lets)
    {
        uint256 byCurrency = uint256(GRANT_BY_CURRENCY) << 16;
        assembly ("memory-safe") {
            let time := timestamp()
            lets := eq(and(shr(24, self), 0xffff), and(epoch_, 0xffff))
            lets := and(lets, iszero(gt(and(shr(40, self), 0xffffffffff), time)))
            lets := and(lets, gt(and(shr(80, self), 0xffffffffff), time))
            lets := and(lets, iszero(gt(amount, and(shr(120, self), 0xffffffffffffffff))))
            lets := and(lets, iszero(gt(amount, and(shr(184, self), 0xffffffffffffffff))))
            lets := and(lets, and(iszero(and(self, byCurrency)), gt(and(self, and(scope, 0xffff)), 0)))
        }
    }

    function has(GrantWord self, uint8 flags) internal pure returns (bool) {
        return GrantWord.unwrap(self) & (uint256(flags) << 16) != 0;
    }

    function epoch(GrantWord self) internal pure returns (uint16) {
        return uint16(GrantWord.unwrap(self) >> 24);
    }

    function from(GrantWord self) internal pure returns (uint40) {
        return uint40(GrantWord.unwrap(self) >> 40);
    }

    function until(GrantWord self) internal pure returns (uint40) {
        return uint40(GrantWord.unwrap(self) >> 80);
    }

    function limit(GrantWord self) internal pure returns (uint64) {
        return uint64(GrantWord.unwrap(self) >> 120);
    }

    function alone(GrantWord self) internal pure returns (uint64) {
        return uint64(GrantWord.unwrap(self) >> 184);
    }
}

/// @notice Limits of a key in one currency, where the grant says that they differ by currency.
struct Limits {
    uint64 limit;
    uint64 alone;
}

/// @notice One stretch of an account's admission; `until` is brought forward when another takes its place.
struct Admission {
    uint40 from;
    uint40 until;
    uint16 roles;
    /// Hash of the evidence that was looked at. Never personal data.
    bytes32 evidence;
}

/// @notice One stretch of suspension; `until` is zero while it lasts.
struct Suspension {
    uint40 from;
    uint40 until;
    bytes32 reason;
}

/// @notice Both sides of a sale, who signs for them, and what their limits count, in minor units of `currency`.
struct Sides {
    address seller;
    address sellerSigner;
    address sellerCosigner;
    address buyer;
    address buyerSigner;
    address buyerCosigner;
    /// Id of the settlement currency.
    uint32 currency;
    /// The larger of the units given and the price.
    uint64 given;
    uint64 price;
}

// Where the members of `Sides` are, in bytes from its beginning.
uint256 constant SIDES_SELLER = 0x00;
uint256 constant SIDES_SELLER_SIGNER = 0x20;
uint256 constant SIDES_BUYER = 0x60;
uint256 constant SIDES_BUYER_SIGNER = 0x80;
uint256 constant SIDES_CURRENCY = 0xc0;
uint256 constant SIDES_GIVEN = 0xe0;
uint256 constant SIDES_PRICE = 0x100;

/// @notice A member as it stands in calldata, for a tenth of what the compiler's check of its range costs.
function wordAt(Sides calldata sides, uint256 position) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := calldataload(add(sides, position))
    }
}

function addressAt(Sides calldata sides, uint256 position) pure returns (address value) {
    assembly ("memory-safe") {
        value := shr(96, shl(96, calldataload(add(sides, position))))
    }
}

uint64 constant UNLIMITED = type(uint64).max;

uint16 constant ROLE_SUPPLIER = 1 << 0; // may issue
uint16 constant ROLE_DEBTOR = 1 << 1; // may confirm; a party has one such account
uint16 constant ROLE_FUNDER = 1 << 2; // may buy
uint16 constant ROLE_RECORDER = 1 << 3; // may record events of goods

uint8 constant ACCOUNT_SUSPENDED = 1 << 0;
uint8 constant ACCOUNT_OPEN = 1 << 1; // standing consent to receive claims
uint8 constant ACCOUNT_HOSTED = 1 << 2; // its keys are held by the operator

uint8 constant GRANT_BY_CURRENCY = 1 << 0; // limits stand in `Limits`, none there means zero
uint8 constant GRANT_HOSTED = 1 << 1; // the key is held by the operator

uint16 constant SCOPE_MANAGE = 1 << 0; // grants, consent, payout, veto
uint16 constant SCOPE_ISSUE = 1 << 1; // issue, cancel, replace, credit notes of the supplier
uint16 constant SCOPE_CONFIRM = 1 << 2; // confirm, reject, dispute
uint16 constant SCOPE_TRANSFER = 1 << 3; // give claims away, consent to receiving
uint16 constant SCOPE_SELL = 1 << 4; // accept offers, sign receipts of cash
uint16 constant SCOPE_BUY = 1 << 5; // make offers
uint16 constant SCOPE_PAY = 1 << 6; // pay as the debtor, perform recourse
uint16 constant SCOPE_REDEEM = 1 << 7; // collect what was paid
uint16 constant SCOPE_ADJUST = 1 << 8; // credit notes, closing outside, waivers, write-offs, warranty demands
uint16 constant SCOPE_RECORD = 1 << 9; // sign events of goods
uint16 constant SCOPE_ALL = (1 << 10) - 1;

// Asked together with a scope that begins new business: the account must be admitted now, for the scope's role.
uint16 constant NEW_BUSINESS = 1 << 15;
