// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../interfaces/IParticipants.sol";
import {Accounts} from "./Accounts.sol";
import {
    ACCOUNT_HOSTED,
    ACCOUNT_SUSPENDED,
    Account,
    Admission,
    GRANT_HOSTED,
    SCOPE_ALL,
    Suspension,
    UNLIMITED
} from "../types/Account.sol";

/// @title Who is admitted, and who is suspended: for roles of the AccessManager
abstract contract Admissions is Accounts {
    /// @inheritdoc IParticipants
    function admit(
        bytes32 commitment,
        uint16 roles,
        uint40 validUntil,
        address payout,
        bytes32 evidence,
        bytes32 key,
        bool hosted
    ) external restricted returns (address account_) {
        account_ = accountOf(commitment);
        if (_admissions[account_].length != 0) revert AccountExists(account_);
        if (payout == address(0) || key == 0) revert ValueInvalid();

        _accounts[account_].payout = payout;
        if (hosted) _accounts[account_].flags = ACCOUNT_HOSTED;
        emit AccountAdmitted(account_, commitment, roles, validUntil, payout, evidence, hosted);

        _openAdmission(account_, roles, validUntil, evidence);
        _setGrant(account_, key, SCOPE_ALL, hosted ? GRANT_HOSTED : 0, 0, FOREVER, UNLIMITED, UNLIMITED);
    }

    /// @inheritdoc IParticipants
    function renew(address account_, uint16 roles, uint40 validUntil, bytes32 evidence) external restricted {
        _known(account_);
        Admission storage last = _admissions[account_][_admissions[account_].length - 1];
        if (last.until > block.timestamp) last.until = uint40(block.timestamp);

        _openAdmission(account_, roles, validUntil, evidence);
        emit AccountRenewed(account_, roles, validUntil, evidence);
    }

    /// @inheritdoc IParticipants
    function suspend(address[] calldata accounts, bytes32 reason) external restricted {
        for (uint256 i = 0; i < accounts.length; ++i) {
            Account storage state = _known(accounts[i]);
            if (state.flags & ACCOUNT_SUSPENDED != 0) revert Suspended(accounts[i]);

            state.flags |= ACCOUNT_SUSPENDED;
            _suspensions[accounts[i]].push(Suspension(uint40(block.timestamp), 0, reason));
            emit AccountSuspended(accounts[i], reason);
        }
    }

    /// @inheritdoc IParticipants
    function liftSuspension(address[] calldata accounts, bytes32 reason) external restricted {
        for (uint256 i = 0; i < accounts.length; ++i) {
            Account storage state = _known(accounts[i]);
            if (state.flags & ACCOUNT_SUSPENDED == 0) revert NotSuspended(accounts[i]);

            state.flags &= ~ACCOUNT_SUSPENDED;
            Suspension[] storage history = _suspensions[accounts[i]];
            history[history.length - 1].until = uint40(block.timestamp);
            emit SuspensionLifted(accounts[i], reason);
        }
    }

    function _openAdmission(address account_, uint16 roles, uint40 validUntil, bytes32 evidence) private {
        if (roles == 0 || roles & ~ROLE_ALL != 0 || evidence == 0) revert ValueInvalid();
        uint40 from = uint40(block.timestamp);
        if (validUntil < from) revert PeriodInvalid(from, validUntil);

        _admissions[account_].push(Admission(from, validUntil, roles, evidence));
        _accounts[account_].roles = roles;
        _accounts[account_].validUntil = validUntil;
    }
}
