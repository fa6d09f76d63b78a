// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../interfaces/IParticipants.sol";
import {Accounts} from "./Accounts.sol";
import {ACCOUNT_OPEN, Grant, Limits} from "../types/Account.sol";

/// @title What an account says of itself by its keys: other keys, consent, where its cash goes
abstract contract Keys is Accounts {
    /// @inheritdoc IParticipants
    function grantKey(
        address account_,
        bytes32 key,
        uint16 scopes,
        uint8 flags,
        uint40 from,
        uint40 until,
        uint64 limit,
        uint64 alone
    ) external {
        _managing(account_);
        _setGrant(account_, key, scopes, flags, from, until, limit, alone);
    }

    /// @inheritdoc IParticipants
    function limitKey(address account_, bytes32 key, uint32 currency, uint64 limit, uint64 alone) external {
        _managing(account_);
        _limits[account_][key][currency] = Limits(limit, alone);

        emit KeyLimited(account_, key, currency, Limits(limit, alone));
    }

    /// @inheritdoc IParticipants
    function revokeKey(address account_, bytes32 key) external {
        _managing(account_);
        Grant storage grant = _grants[account_][key];
        if (grant.until <= block.timestamp) revert GrantUnknown(account_, key);

        grant.until = uint40(block.timestamp);
        emit KeyRevoked(account_, key, uint40(block.timestamp));
    }

    /// @inheritdoc IParticipants
    function setStandingConsent(address account_, bool open) external {
        _managing(account_);
        if (open) _accounts[account_].flags |= ACCOUNT_OPEN;
        else _accounts[account_].flags &= ~ACCOUNT_OPEN;

        emit StandingConsentSet(account_, open);
    }

    /// @inheritdoc IParticipants
    function proposePayout(address account_, address payout) external {
        _managing(account_);
        if (payout == address(0)) revert ValueInvalid();
        uint40 readyAt = uint40(block.timestamp) + PAYOUT_DELAY;
        _payoutChanges[account_] = PayoutChange(payout, readyAt);

        emit PayoutProposed(account_, payout, readyAt);
    }

    /// @inheritdoc IParticipants
    function changePayout(address account_) external {
        PayoutChange memory change = _payoutChanges[account_];
        if (change.readyAt == 0) revert NothingPending(account_);
        if (block.timestamp < change.readyAt) revert TooEarly(change.readyAt);
        // Whoever stole a key may have announced it.
        _checkUnsuspended(account_, _accounts[account_].loadAccount());
        if (_takeovers[account_].key != 0) revert AlreadyPending(account_);

        delete _payoutChanges[account_];
        _accounts[account_].payout = change.payout;
        emit PayoutChanged(account_, change.payout);
    }
}
