// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {TERMS_AMOUNT, Terms} from "./Terms.sol";

/// @notice What `IParticipants` already said yes to in this call: the same signers, for the same accounts, in the same
/// currency, may do as much again. Limits are for one action and not added up.
struct Asked {
    /// Hash of accounts, currency and signers.
    bytes32 parties;
    /// The largest amount.
    uint256 amount;
}

using {allowed, grow} for Asked global;

/// @notice The amount up to which these parties need not be asked about again. Zero parties always are.
function allowed(Asked memory asked, bytes32 parties) pure returns (uint256) {
    if (asked.parties != parties || parties == 0) {
        asked.parties = parties;
        asked.amount = 0;
    }
    return asked.amount;
}

/// @notice Notes that it was asked about these terms, or did not need to be.
function grow(Asked memory asked, Terms calldata terms) pure {
    uint256 amount = terms.word(TERMS_AMOUNT);
    if (amount > asked.amount) asked.amount = amount;
}
