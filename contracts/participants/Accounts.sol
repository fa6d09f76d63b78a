// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {SignedActions} from "../SignedActions.sol";
import {IParticipants} from "../interfaces/IParticipants.sol";
import {
    ACCOUNT_SUSPENDED,
    Account,
    AccountWord,
    Admission,
    GRANT_BY_CURRENCY,
    Grant,
    GrantWord,
    Limits,
    SCOPE_ALL,
    SCOPE_MANAGE,
    Suspension,
    UNLIMITED
} from "../types/Account.sol";

/// @title What all of Participants stands on: accounts, the keys that act for them, and what is never deleted of both
abstract contract Accounts is IParticipants, SignedActions, AccessManaged {
    struct PayoutChange {
        address payout;
        uint40 readyAt;
    }

    uint40 internal constant FOREVER = type(uint40).max;
    uint16 internal constant ROLE_ALL = 15;

    /// Seconds between the announcement of a new payout address and its use.
    uint40 public immutable PAYOUT_DELAY;
    /// Seconds between the approval of a takeover, or the veto against it, and its completion.
    uint40 public immutable TAKEOVER_DELAY;

    mapping(address account => Account) internal _accounts;
    mapping(address account => mapping(bytes32 key => Grant)) internal _grants;
    mapping(address account => mapping(bytes32 key => mapping(uint32 currency => Limits))) internal _limits;

    mapping(address account => Admission[]) internal _admissions;
    mapping(address account => Suspension[]) internal _suspensions;
    mapping(address account => mapping(bytes32 key => Grant[])) internal _pastGrants;
    /// When the epoch ended, zero for the present one.
    mapping(address account => mapping(uint16 epoch => uint40)) internal _epochEnds;

    mapping(address account => PayoutChange) internal _payoutChanges;
    mapping(address account => Takeover) internal _takeovers;
    mapping(address account => address) internal _takeoverProposers;

    constructor(address manager, uint40 payoutDelay, uint40 takeoverDelay)
        SignedActions("Tallystick Participants")
        AccessManaged(manager)
    {
        PAYOUT_DELAY = payoutDelay;
        TAKEOVER_DELAY = takeoverDelay;
    }

    /// @inheritdoc IParticipants
    function accountOf(bytes32 commitment) public view returns (address) {
        return
            address(uint160(uint256(keccak256(abi.encode("tallystick.account", address(this), commitment)))));
    }

    /// Ends the key's present grant, which moves to its history, and begins another. Never in the past: nobody can
    /// be made a signer of what happened before.
    function _setGrant(
        address account_,
        bytes32 key,
        uint16 scopes,
        uint8 flags,
        uint40 from,
        uint40 until,
        uint64 limit,
        uint64 alone
    ) internal {
        uint40 present = uint40(block.timestamp);
        if (from < present) from = present;
        if (until <= from) revert PeriodInvalid(from, until);
        if (key == 0 || scopes == 0 || scopes & ~SCOPE_ALL != 0) revert ValueInvalid();

        Grant memory grant = _grants[account_][key];
        if (grant.scopes != 0) {
            if (grant.until > present) grant.until = present;
            _pastGrants[account_][key].push(grant);
        }
        grant = Grant(scopes, flags, _accounts[account_].epoch, from, until, limit, alone);
        _grants[account_][key] = grant;
        emit KeyGranted(account_, key, grant);
    }

    /// Managing an account is for keys without limit, two of them where the key is never to act alone.
    function _managing(address account_) internal view {
        _known(account_);
        AccountWord state = _accounts[account_].loadAccount();
        _checkUnsuspended(account_, state);
        _checkSigners(account_, state.epoch(), _signer(), _cosigner(), SCOPE_MANAGE, 0, UNLIMITED);
    }

    function _checkAdmission(address account_, AccountWord state, uint16 role) internal view {
        if (state.validUntil() <= block.timestamp || state.roles() & role != role) {
            revert NotAdmitted(account_, role, state.validUntil());
        }
    }

    function _checkUnsuspended(address account_, AccountWord state) internal pure {
        if (state.has(ACCOUNT_SUSPENDED)) revert Suspended(account_);
    }

    function _checkSigners(
        address account_,
        uint16 epoch,
        address signer,
        address cosigner,
        uint16 scope,
        uint32 currency,
        uint64 amount
    ) internal view {
        uint64 alone = _checkLimit(account_, epoch, signer, scope, currency, amount);
        if (amount > alone) {
            if (cosigner == address(0) || cosigner == signer) {
                revert SecondSignerNeeded(account_, signer, amount, alone);
            }
            _checkLimit(account_, epoch, cosigner, scope, currency, amount);
        }
    }

    function _checkLimit(
        address account_,
        uint16 epoch,
        address signer,
        uint16 scope,
        uint32 currency,
        uint64 amount
    ) internal view returns (uint64 alone) {
        GrantWord grant = _checkGrant(account_, epoch, signer, scope);
        uint64 limit = grant.limit();
        alone = grant.alone();
        if (grant.has(GRANT_BY_CURRENCY)) {
            Limits memory limits = _limits[account_][_key(signer)][currency];
            (limit, alone) = (limits.limit, limits.alone);
        }
        if (amount > limit) revert AboveLimit(account_, signer, amount, limit);
    }

    function _checkGrant(address account_, uint16 epoch, address signer, uint16 scope)
        internal
        view
        returns (GrantWord grant)
    {
        grant = _grants[account_][_key(signer)].loadGrant();
        if (!grant.covers(scope) || !_isCurrent(grant, epoch)) revert NotAuthorised(account_, signer, scope);
    }

    function _isCurrent(GrantWord grant, uint16 epoch) internal view returns (bool) {
        return grant.from() <= block.timestamp && block.timestamp < grant.until() && grant.epoch() == epoch;
    }

    function _known(address account_) internal view returns (Account storage state) {
        state = _accounts[account_];
        if (state.payout == address(0)) revert AccountUnknown(account_);
    }

    function _key(address signer) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(signer)));
    }
}
