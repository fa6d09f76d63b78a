// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {SignedActions} from "./SignedActions.sol";
import {IParticipants} from "./interfaces/IParticipants.sol";
import {
    ACCOUNT_HOSTED,
    ACCOUNT_OPEN,
    ACCOUNT_SUSPENDED,
    Account,
    AccountWord,
    Admission,
    GRANT_BY_CURRENCY,
    GRANT_HOSTED,
    Grant,
    GrantWord,
    Limits,
    NEW_BUSINESS,
    ROLE_DEBTOR,
    ROLE_FUNDER,
    ROLE_SUPPLIER,
    SCOPE_ALL,
    SCOPE_BUY,
    SCOPE_CONFIRM,
    SCOPE_ISSUE,
    SCOPE_MANAGE,
    SCOPE_PAY,
    SCOPE_SELL,
    SCOPE_TRANSFER,
    SIDES_BUYER,
    SIDES_BUYER_SIGNER,
    SIDES_GIVEN,
    SIDES_PRICE,
    SIDES_SELLER,
    SIDES_SELLER_SIGNER,
    Sides,
    Suspension,
    UNLIMITED
} from "./types/Account.sol";

/// @title Who takes part: parties' accounts, and the keys that act for them
contract Participants is IParticipants, SignedActions, AccessManaged {
    struct PayoutChange {
        address payout;
        uint40 readyAt;
    }

    bytes32 private constant GRANT_KEY_TYPEHASH = keccak256(
        "GrantKey(address account,bytes32 key,uint16 scopes,uint8 flags,uint40 from,uint40 until,uint64 limit,uint64 alone,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant LIMIT_KEY_TYPEHASH = keccak256(
        "LimitKey(address account,bytes32 key,uint32 currency,uint64 limit,uint64 alone,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant REVOKE_KEY_TYPEHASH =
        keccak256("RevokeKey(address account,bytes32 key,uint256 nonce,uint256 deadline,uint256 gasFloor)");
    bytes32 private constant SET_STANDING_CONSENT_TYPEHASH = keccak256(
        "SetStandingConsent(address account,bool open,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant PROPOSE_PAYOUT_TYPEHASH = keccak256(
        "ProposePayout(address account,address payout,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant VETO_TAKEOVER_TYPEHASH =
        keccak256("VetoTakeover(address account,uint256 nonce,uint256 deadline,uint256 gasFloor)");

    uint40 private constant FOREVER = type(uint40).max;
    uint16 private constant ROLE_ALL = 15;

    /// Seconds between the announcement of a new payout address and its use.
    uint40 public immutable PAYOUT_DELAY;
    /// Seconds between the approval of a takeover, or the veto against it, and its completion.
    uint40 public immutable TAKEOVER_DELAY;

    mapping(address account => Account) private _accounts;
    mapping(address account => mapping(bytes32 key => Grant)) private _grants;
    mapping(address account => mapping(bytes32 key => mapping(uint32 currency => Limits))) private _limits;

    mapping(address account => Admission[]) private _admissions;
    mapping(address account => Suspension[]) private _suspensions;
    mapping(address account => mapping(bytes32 key => Grant[])) private _pastGrants;
    /// When the epoch ended, zero for the present one.
    mapping(address account => mapping(uint16 epoch => uint40)) private _epochEnds;

    mapping(address account => PayoutChange) private _payoutChanges;
    mapping(address account => Takeover) private _takeovers;
    mapping(address account => address) private _takeoverProposers;

    constructor(address manager, uint40 payoutDelay, uint40 takeoverDelay)
        SignedActions("Tallystick Participants")
        AccessManaged(manager)
    {
        PAYOUT_DELAY = payoutDelay;
        TAKEOVER_DELAY = takeoverDelay;
    }

    /* ADMISSION */

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

    /* KEYS */

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

    /* RECOVERY AND SUCCESSION */

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
    function approveTakeover(address account_, bytes32 key) external restricted {
        Takeover storage takeover = _pending(account_);
        if (takeover.key != key) revert NothingPending(account_);
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

    /* THE CHECKS */

    /// @inheritdoc IParticipants
    function authorise(
        address account_,
        address signer,
        address cosigner,
        uint16 scope,
        uint32 currency,
        uint64 amount
    ) external view returns (address payout) {
        return _authorise(account_, signer, cosigner, scope, currency, amount);
    }

    /// @inheritdoc IParticipants
    function authoriseSale(Sides calldata sides) external view returns (address payout) {
        address account_ = sides.addressAt(SIDES_BUYER);
        AccountWord state = _accounts[account_].loadAccount();
        address signer = sides.addressAt(SIDES_BUYER_SIGNER);
        if (
            !state.isAdmitted(ROLE_FUNDER)
                || !_mayAlone(account_, state, signer, SCOPE_BUY, sides.wordAt(SIDES_PRICE))
        ) {
            uint16 scope = SCOPE_BUY | NEW_BUSINESS;
            _authorise(account_, signer, sides.buyerCosigner, scope, sides.currency, sides.price);
        }

        account_ = sides.addressAt(SIDES_SELLER);
        state = _accounts[account_].loadAccount();
        signer = sides.addressAt(SIDES_SELLER_SIGNER);
        if (!_mayAlone(account_, state, signer, SCOPE_SELL, sides.wordAt(SIDES_GIVEN))) {
            _authorise(account_, signer, sides.sellerCosigner, SCOPE_SELL, sides.currency, sides.given);
        }
        return state.payout();
    }

    /// @inheritdoc IParticipants
    function authoriseTransfer(
        address from,
        address signer,
        address cosigner,
        uint32 currency,
        uint64 amount,
        address to
    ) external view returns (bool open) {
        AccountWord state = _accounts[from].loadAccount();
        _checkUnsuspended(from, state);
        _checkSigners(from, state.epoch(), signer, cosigner, SCOPE_TRANSFER, currency, amount);
        state = _accounts[to].loadAccount();
        _checkAdmission(to, state, 0);
        _checkUnsuspended(to, state);
        return state.has(ACCOUNT_OPEN);
    }

    /// @inheritdoc IParticipants
    function checkAdmitted(address account_, uint16 role) external view {
        AccountWord state = _accounts[account_].loadAccount();
        _checkAdmission(account_, state, role);
        _checkUnsuspended(account_, state);
    }

    /// @inheritdoc IParticipants
    function checkNotSuspended(address account_) external view {
        _known(account_);
        _checkUnsuspended(account_, _accounts[account_].loadAccount());
    }

    /* QUESTIONS */

    /// @inheritdoc IParticipants
    function accountOf(bytes32 commitment) public view returns (address) {
        return
            address(uint160(uint256(keccak256(abi.encode("tallystick.account", address(this), commitment)))));
    }

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

    function _action(bytes4 selector) internal view override returns (bytes32 typehash, uint256 encoding) {
        if (selector == this.grantKey.selector) return (GRANT_KEY_TYPEHASH, ATOMIC);
        if (selector == this.limitKey.selector) return (LIMIT_KEY_TYPEHASH, ATOMIC);
        if (selector == this.revokeKey.selector) return (REVOKE_KEY_TYPEHASH, ATOMIC);
        if (selector == this.setStandingConsent.selector) return (SET_STANDING_CONSENT_TYPEHASH, ATOMIC);
        if (selector == this.proposePayout.selector) return (PROPOSE_PAYOUT_TYPEHASH, ATOMIC);
        if (selector == this.vetoTakeover.selector) return (VETO_TAKEOVER_TYPEHASH, ATOMIC);
        return super._action(selector);
    }

    function _openAdmission(address account_, uint16 roles, uint40 validUntil, bytes32 evidence) private {
        if (roles == 0 || roles & ~ROLE_ALL != 0 || evidence == 0) revert ValueInvalid();
        uint40 from = uint40(block.timestamp);
        if (validUntil < from) revert PeriodInvalid(from, validUntil);

        _admissions[account_].push(Admission(from, validUntil, roles, evidence));
        _accounts[account_].roles = roles;
        _accounts[account_].validUntil = validUntil;
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
    ) private {
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

    function _authorise(
        address account_,
        address signer,
        address cosigner,
        uint16 scope,
        uint32 currency,
        uint64 amount
    ) private view returns (address payout) {
        AccountWord state = _accounts[account_].loadAccount();
        if (scope & NEW_BUSINESS != 0) {
            scope ^= NEW_BUSINESS;
            _checkAdmission(account_, state, _roleFor(scope));
        }
        if (scope != SCOPE_PAY) _checkUnsuspended(account_, state);
        _checkSigners(account_, state.epoch(), signer, cosigner, scope, currency, amount);
        return state.payout();
    }

    /// Whether a key may do something by itself, with no limit of its currency to look up: most often so. Where not,
    /// `_authorise` looks closer, and says why not.
    function _mayAlone(address account_, AccountWord state, address signer, uint16 scope, uint256 amount)
        private
        view
        returns (bool)
    {
        if (state.has(ACCOUNT_SUSPENDED)) return false;
        return _grants[account_][_key(signer)].loadGrant().letsAlone(scope, amount, state.epoch());
    }

    /// Managing an account is for keys without limit, two of them where the key is never to act alone.
    function _managing(address account_) private view {
        _known(account_);
        AccountWord state = _accounts[account_].loadAccount();
        _checkUnsuspended(account_, state);
        _checkSigners(account_, state.epoch(), _signer(), _cosigner(), SCOPE_MANAGE, 0, UNLIMITED);
    }

    function _checkAdmission(address account_, AccountWord state, uint16 role) private view {
        if (state.validUntil() <= block.timestamp || state.roles() & role != role) {
            revert NotAdmitted(account_, role, state.validUntil());
        }
    }

    function _checkUnsuspended(address account_, AccountWord state) private pure {
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
    ) private view {
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
    ) private view returns (uint64 alone) {
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
        private
        view
        returns (GrantWord grant)
    {
        grant = _grants[account_][_key(signer)].loadGrant();
        if (!grant.covers(scope) || !_isCurrent(grant, epoch)) revert NotAuthorised(account_, signer, scope);
    }

    function _isCurrent(GrantWord grant, uint16 epoch) private view returns (bool) {
        return grant.from() <= block.timestamp && block.timestamp < grant.until() && grant.epoch() == epoch;
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

    function _known(address account_) private view returns (Account storage state) {
        state = _accounts[account_];
        if (state.payout == address(0)) revert AccountUnknown(account_);
    }

    function _pending(address account_) private view returns (Takeover storage takeover) {
        takeover = _takeovers[account_];
        if (takeover.key == 0) revert NothingPending(account_);
    }

    function _roleFor(uint16 scope) private pure returns (uint16) {
        if (scope == SCOPE_ISSUE) return ROLE_SUPPLIER;
        if (scope == SCOPE_CONFIRM) return ROLE_DEBTOR;
        if (scope == SCOPE_BUY) return ROLE_FUNDER;
        return 0;
    }

    function _key(address signer) private pure returns (bytes32) {
        return bytes32(uint256(uint160(signer)));
    }
}
