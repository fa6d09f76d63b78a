// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "./interfaces/IParticipants.sol";
import {Accounts} from "./participants/Accounts.sol";
import {Admissions} from "./participants/Admissions.sol";
import {Keys} from "./participants/Keys.sol";
import {Records} from "./participants/Records.sol";
import {Takeovers} from "./participants/Takeovers.sol";
import {
    ACCOUNT_OPEN,
    ACCOUNT_SUSPENDED,
    AccountWord,
    NEW_BUSINESS,
    ROLE_DEBTOR,
    ROLE_FUNDER,
    ROLE_SUPPLIER,
    SCOPE_BUY,
    SCOPE_CONFIRM,
    SCOPE_ISSUE,
    SCOPE_PAY,
    SCOPE_SELL,
    SCOPE_TRANSFER,
    SIDES_BUYER,
    SIDES_BUYER_SIGNER,
    SIDES_GIVEN,
    SIDES_PRICE,
    SIDES_SELLER,
    SIDES_SELLER_SIGNER,
    Sides
} from "./types/Account.sol";

/// @title Who takes part: parties' accounts, and the keys that act for them
contract Participants is Admissions, Keys, Takeovers, Records {
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

    constructor(address manager, uint40 payoutDelay, uint40 takeoverDelay)
        Accounts(manager, payoutDelay, takeoverDelay)
    {}

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
        uint16 own = scope & ~NEW_BUSINESS;
        AccountWord state = _accounts[account_].loadAccount();
        if (
            (scope == own || state.isAdmitted(_roleFor(own)))
                && _mayAlone(account_, state, signer, own, amount)
        ) return state.payout();
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
    function authoriseClaim(Sides calldata sides) external view {
        uint256 amount = sides.wordAt(SIDES_GIVEN);
        address account_ = sides.addressAt(SIDES_SELLER);
        address signer = sides.addressAt(SIDES_SELLER_SIGNER);
        AccountWord state = _accounts[account_].loadAccount();
        if (!state.isAdmitted(ROLE_SUPPLIER) || !_mayAlone(account_, state, signer, SCOPE_ISSUE, amount)) {
            uint16 scope = SCOPE_ISSUE | NEW_BUSINESS;
            _authorise(account_, signer, sides.sellerCosigner, scope, sides.currency, sides.given);
        }

        account_ = sides.addressAt(SIDES_BUYER);
        signer = sides.addressAt(SIDES_BUYER_SIGNER);
        state = _accounts[account_].loadAccount();
        if (!state.isAdmitted(ROLE_DEBTOR) || !_mayAlone(account_, state, signer, SCOPE_CONFIRM, amount)) {
            uint16 scope = SCOPE_CONFIRM | NEW_BUSINESS;
            _authorise(account_, signer, sides.buyerCosigner, scope, sides.currency, sides.given);
        }
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

    function _action(bytes4 selector) internal view override returns (bytes32 typehash, uint256 encoding) {
        if (selector == this.grantKey.selector) return (GRANT_KEY_TYPEHASH, ATOMIC);
        if (selector == this.limitKey.selector) return (LIMIT_KEY_TYPEHASH, ATOMIC);
        if (selector == this.revokeKey.selector) return (REVOKE_KEY_TYPEHASH, ATOMIC);
        if (selector == this.setStandingConsent.selector) return (SET_STANDING_CONSENT_TYPEHASH, ATOMIC);
        if (selector == this.proposePayout.selector) return (PROPOSE_PAYOUT_TYPEHASH, ATOMIC);
        if (selector == this.vetoTakeover.selector) return (VETO_TAKEOVER_TYPEHASH, ATOMIC);
        return super._action(selector);
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

    function _roleFor(uint16 scope) private pure returns (uint16) {
        if (scope == SCOPE_ISSUE) return ROLE_SUPPLIER;
        if (scope == SCOPE_CONFIRM) return ROLE_DEBTOR;
        if (scope == SCOPE_BUY) return ROLE_FUNDER;
        return 0;
    }
}
