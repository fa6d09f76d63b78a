// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../interfaces/IParticipants.sol";
import {Accounts} from "./Accounts.sol";
import {
    Account,
    Admission,
    GRANT_BY_CURRENCY,
    Grant,
    GrantWord,
    Limits,
    SCOPE_TRANSFER,
    Suspension,
    UNLIMITED
} from "../types/Account.sol";

/// @title What one can ask about accounts, now and at a past second
abstract contract Records is Accounts {
    /// @inheritdoc IParticipants
    function account(address account_) external view returns (Account memory) {
        return _accounts[account_];
    }

    /// @inheritdoc IParticipants
    function hasFullTransferGrant(address account_, address signer) external view returns (bool) {
        GrantWord grant = _grants[account_][_key(signer)].loadGrant();
        return grant.covers(SCOPE_TRANSFER) && _isCurrent(grant, _accounts[account_].loadAccount().epoch())
            && !grant.has(GRANT_BY_CURRENCY) && grant.limit() == UNLIMITED && grant.alone() == UNLIMITED;
    }

    /// @inheritdoc IParticipants
    function grantOf(address account_, bytes32 key) external view returns (Grant memory) {
        return _grants[account_][key];
    }

    /// @inheritdoc IParticipants
    function limitsOf(address account_, bytes32 key, uint32 currency) external view returns (Limits memory) {
        return _limits[account_][key][currency];
    }

    /// @inheritdoc IParticipants
    function pastGrants(address account_, bytes32 key) external view returns (Grant[] memory) {
        return _pastGrants[account_][key];
    }

    /// @inheritdoc IParticipants
    function admissions(address account_) external view returns (Admission[] memory) {
        return _admissions[account_];
    }

    /// @inheritdoc IParticipants
    function suspensions(address account_) external view returns (Suspension[] memory) {
        return _suspensions[account_];
    }

    /// @inheritdoc IParticipants
    function epochEnd(address account_, uint16 epoch) external view returns (uint40) {
        return _epochEnds[account_][epoch];
    }

    /// @inheritdoc IParticipants
    function wasAuthorised(address account_, bytes32 key, uint16 scope, uint40 time)
        external
        view
        returns (bool)
    {
        if (_covered(account_, _grants[account_][key], scope, time)) return true;
        Grant[] storage past = _pastGrants[account_][key];
        for (uint256 i = past.length; i > 0; --i) {
            if (_covered(account_, past[i - 1], scope, time)) return true;
        }
        return false;
    }

    /// @inheritdoc IParticipants
    function wasAdmitted(address account_, uint16 role, uint40 time) external view returns (bool admitted) {
        Admission[] storage past = _admissions[account_];
        for (uint256 i = past.length; i > 0 && !admitted; --i) {
            Admission storage one = past[i - 1];
            admitted = one.from <= time && time < one.until && one.roles & role == role;
        }
        Suspension[] storage suspended = _suspensions[account_];
        for (uint256 i = suspended.length; i > 0 && admitted; --i) {
            Suspension storage one = suspended[i - 1];
            admitted = time < one.from || (one.until != 0 && time >= one.until);
        }
    }

    /// @inheritdoc IParticipants
    function pendingTakeover(address account_) external view returns (Takeover memory) {
        return _takeovers[account_];
    }

    /// @inheritdoc IParticipants
    function pendingPayout(address account_) external view returns (address payout, uint40 readyAt) {
        PayoutChange memory change = _payoutChanges[account_];
        return (change.payout, change.readyAt);
    }

    function _covered(address account_, Grant memory grant, uint16 scope, uint40 time)
        private
        view
        returns (bool)
    {
        uint40 end = _epochEnds[account_][grant.epoch];
        return
            grant.scopes & scope == scope && grant.from <= time && time < grant.until
                && (end == 0 || time < end);
    }
}
