// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../interfaces/IParticipants.sol";
import {Accounts} from "./Accounts.sol";
import {SCOPE_ALL, SCOPE_MANAGE, UNLIMITED} from "../types/Account.sol";

/// @title Recovery and succession: two roles, a delay, and a veto that delays once
abstract contract Takeovers is Accounts {
    /// @inheritdoc IParticipants
    function proposeTakeover(address account_, bytes32 key, bool succession, bytes32 evidence)
        external
        restricted
    {
        _known(account_);
        if (_takeovers[account_].key != 0) revert AlreadyPending(account_);
        if (key == 0) revert ValueInvalid();
        _takeovers[account_] = Takeover(key, evidence, 0, succession, false);
        _takeoverProposers[account_] = msg.sender;

        emit TakeoverProposed(account_, key, succession, evidence);
    }

    /// @inheritdoc IParticipants
    function approveTakeover(address account_, bytes32 key, bool succession, bytes32 evidence)
        external
        restricted
    {
        Takeover storage takeover = _pending(account_);
        if (takeover.key != key || takeover.succession != succession || takeover.evidence != evidence) {
            revert NothingPending(account_);
        }
        if (takeover.readyAt != 0) revert AlreadyPending(account_);
        if (_takeoverProposers[account_] == msg.sender) revert SameHand(msg.sender);
        takeover.readyAt = uint40(block.timestamp) + TAKEOVER_DELAY;

        emit TakeoverApproved(account_, takeover.readyAt);
    }

    /// @inheritdoc IParticipants
    function vetoTakeover(address account_) external {
        Takeover storage takeover = _pending(account_);
        if (takeover.vetoed) revert VetoUsed(account_);
        if (takeover.readyAt == 0) revert NothingPending(account_);
        address signer = _signer();
        // One current signer is enough, whatever its limits: a veto only delays.
        _checkGrant(account_, _accounts[account_].epoch, signer, SCOPE_MANAGE);
        takeover.vetoed = true;
        takeover.readyAt = uint40(block.timestamp) + TAKEOVER_DELAY;

        emit TakeoverVetoed(account_, _key(signer), takeover.readyAt);
    }

    /// @inheritdoc IParticipants
    function withdrawTakeover(address account_) external restricted {
        _pending(account_);
        delete _takeovers[account_];

        emit TakeoverWithdrawn(account_);
    }

    /// @inheritdoc IParticipants
    function completeTakeover(address account_) external {
        Takeover memory takeover = _pending(account_);
        if (takeover.readyAt == 0 || block.timestamp < takeover.readyAt) revert TooEarly(takeover.readyAt);

        delete _takeovers[account_];
        // Whoever took the keys may have announced a payout of its own.
        delete _payoutChanges[account_];
        uint16 epoch = _accounts[account_].epoch;
        if (takeover.succession) {
            _epochEnds[account_][epoch] = uint40(block.timestamp);
            _accounts[account_].epoch = ++epoch;
        }
        emit TakeoverDone(account_, takeover.key, epoch);
        _setGrant(account_, takeover.key, SCOPE_ALL, 0, 0, FOREVER, UNLIMITED, UNLIMITED);
    }

    function _pending(address account_) private view returns (Takeover storage takeover) {
        takeover = _takeovers[account_];
        if (takeover.key == 0) revert NothingPending(account_);
    }
}
