// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISignedActions} from "./ISignedActions.sol";
import {Account, Admission, Grant, Limits, Sides, Suspension} from "../types/Account.sol";

/// @title Who takes part: parties' accounts, and the keys that act for them
/// @notice Title to a claim belongs to an account, which is an address without a key. Keys act for it under grants
/// that say what, how much, and from when to when. Nothing that was ever true here is deleted: admissions, grants
/// and suspensions are ended, so that what held at any past second can be proved from current storage.
/// @dev Keys are `bytes32`: an Ethereum address (left-padded), or the RFC 7638 thumbprint of a machine's key, which
/// signs events off chain and cannot act here.
/// @dev Assumption: the operator admits one debtor account for each party; commitments are salted, so the chain
/// cannot tell.
/// @dev Warning: that a key belongs to the party behind an account is the word of who admitted it.
interface IParticipants is ISignedActions {
    /// @notice What waits for its delay to end, so that it shows before it takes effect.
    struct Takeover {
        /// The key that will hold all scopes.
        bytes32 key;
        /// Hash of the evidence: of the loss, or of the succession.
        bytes32 evidence;
        /// When it can be carried out; zero while the second role has not approved.
        uint40 readyAt;
        /// A succession ends every other grant; a recovery leaves them.
        bool succession;
        /// A current signer objected; it can delay only once.
        bool vetoed;
    }

    event AccountAdmitted(
        address indexed account,
        bytes32 indexed commitment,
        uint16 roles,
        uint40 validUntil,
        address payout,
        bytes32 evidence,
        bool hosted
    );
    event AccountRenewed(address indexed account, uint16 roles, uint40 validUntil, bytes32 evidence);
    event AccountSuspended(address indexed account, bytes32 reason);
    event SuspensionLifted(address indexed account, bytes32 reason);
    event KeyGranted(address indexed account, bytes32 indexed key, Grant grant);
    event KeyLimited(address indexed account, bytes32 indexed key, uint32 indexed currency, Limits limits);
    event KeyRevoked(address indexed account, bytes32 indexed key, uint40 until);
    event StandingConsentSet(address indexed account, bool open);
    event PayoutProposed(address indexed account, address payout, uint40 readyAt);
    event PayoutChanged(address indexed account, address payout);
    event TakeoverProposed(address indexed account, bytes32 key, bool succession, bytes32 evidence);
    event TakeoverApproved(address indexed account, uint40 readyAt);
    event TakeoverVetoed(address indexed account, bytes32 indexed key, uint40 readyAt);
    event TakeoverWithdrawn(address indexed account);
    event TakeoverDone(address indexed account, bytes32 key, uint16 epoch);

    /// @notice Thrown when there is no such account.
    error AccountUnknown(address account);
    /// @notice Thrown when the commitment already has an account.
    error AccountExists(address account);
    /// @notice Thrown when the account's admission does not cover the role, or has expired.
    error NotAdmitted(address account, uint16 role, uint40 validUntil);
    /// @notice Thrown when the account is suspended.
    error Suspended(address account);
    /// @notice Thrown when the account is not suspended.
    error NotSuspended(address account);
    /// @notice Thrown when the key has no grant for the account with this scope at this time.
    error NotAuthorised(address account, address signer, uint16 scope);
    /// @notice Thrown when the amount is above what the key may do.
    error AboveLimit(address account, address signer, uint64 amount, uint64 limit);
    /// @notice Thrown when the amount needs a second signer and there is none.
    error SecondSignerNeeded(address account, address signer, uint64 amount, uint64 alone);
    /// @notice Thrown when the account has not consented to receive claims.
    error NoStandingConsent(address account);
    /// @notice Thrown when a period ends before it begins, or lies in the past.
    error PeriodInvalid(uint40 from, uint40 until);
    /// @notice Thrown when an address or key is zero, or a scope or role is unknown or none.
    error ValueInvalid();
    /// @notice Thrown when there is no current grant of that key.
    error GrantUnknown(address account, bytes32 key);
    /// @notice Thrown when nothing is pending for the account.
    error NothingPending(address account);
    /// @notice Thrown when something else is pending for the account.
    error AlreadyPending(address account);
    /// @notice Thrown when its delay has not passed.
    error TooEarly(uint40 readyAt);
    /// @notice Thrown when the veto was already used.
    error VetoUsed(address account);
    /// @notice Thrown when who proposed also tries to approve.
    error SameHand(address caller);

    /* ADMISSION: roles of the AccessManager */

    /// @notice Admits an account. Its address follows from the salted commitment to the party, so nobody can have a
    /// key or code for it.
    /// @param commitment Salted hash that ties the account to the party, opened only in a bundle.
    /// @param key First key, granted all scopes without limit until the end of time; it can then grant others.
    function admit(
        bytes32 commitment,
        uint16 roles,
        uint40 validUntil,
        address payout,
        bytes32 evidence,
        bytes32 key,
        bool hosted
    ) external returns (address account);

    /// @notice Renews or ends an admission, or changes its roles.
    function renew(address account, uint16 roles, uint40 validUntil, bytes32 evidence) external;

    /// @notice Freezes accounts: they move nothing, may pay, and stay owed what they are owed.
    function suspend(address[] calldata accounts, bytes32 reason) external;

    function liftSuspension(address[] calldata accounts, bytes32 reason) external;

    /* KEYS: signed for by SCOPE_MANAGE of the account */

    /// @notice Gives a key scopes for an account, in place of its present grant if it has one.
    function grantKey(
        address account,
        bytes32 key,
        uint16 scopes,
        uint8 flags,
        uint40 from,
        uint40 until,
        uint64 limit,
        uint64 alone
    ) external;

    /// @notice Sets the limits of a key in one currency; they count if its grant has `GRANT_BY_CURRENCY`.
    function limitKey(address account, bytes32 key, uint32 currency, uint64 limit, uint64 alone) external;

    /// @notice Ends a key's grant now.
    function revokeKey(address account, bytes32 key) external;

    /// @notice Whether claims may be sent to the account without asking each time.
    function setStandingConsent(address account, bool open) external;

    /// @notice Announces where the account's cash is to be paid in future; takes effect by `changePayout`.
    function proposePayout(address account, address payout) external;

    /// @notice Carries out an announced change once its delay has passed. Anybody may send it. Not while the account is
    /// suspended or a takeover is pending, whose completion drops the change.
    function changePayout(address account) external;

    /* RECOVERY AND SUCCESSION: two roles, a delay, a veto that delays once */

    function proposeTakeover(address account, bytes32 key, bool succession, bytes32 evidence) external;

    /// @notice Approves exactly this takeover, from the second role; its delay begins. Not by who proposed it. Another that
    /// was put in its place meanwhile is not approved with it.
    function approveTakeover(address account, bytes32 key, bool succession, bytes32 evidence) external;

    /// @notice Objects to a takeover of the account, by any key with SCOPE_MANAGE: its delay begins anew, once.
    function vetoTakeover(address account) external;

    function withdrawTakeover(address account) external;

    /// @notice Carries out an approved takeover once its delay has passed. Anybody may send it.
    function completeTakeover(address account) external;

    /* QUESTIONS */

    /// @notice Reverts unless `signer` (with `cosigner`, where its limit asks for one) may do something of `scope`
    /// for `account` now. The one check all contracts make.
    /// @dev Every scope but PAY asks that the account is not suspended.
    /// @param scope One `SCOPE_…`, with `NEW_BUSINESS` where the account's admission matters: it must be valid and, for
    /// ISSUE, CONFIRM and BUY, cover the role.
    /// @param currency Id of the settlement currency of `amount`.
    /// @param amount Minor units.
    /// @return payout Where the account's cash is paid out.
    function authorise(
        address account,
        address signer,
        address cosigner,
        uint16 scope,
        uint32 currency,
        uint64 amount
    ) external view returns (address payout);

    /// @notice As `authorise`, and reverts unless `to` is admitted now and not suspended.
    /// @return open Whether `to` has standing consent to receive.
    function authoriseTransfer(
        address from,
        address signer,
        address cosigner,
        uint32 currency,
        uint64 amount,
        address to
    ) external view returns (bool open);

    /// @notice `authorise` for both sides of a sale: SELL for the seller, BUY with `NEW_BUSINESS` for the buyer.
    /// @return payout Where the seller's cash is paid out.
    function authoriseSale(Sides calldata sides) external view returns (address payout);

    /// @notice `authorise` for both sides of a new claim: ISSUE for the supplier, who is its first seller, and CONFIRM for
    /// the debtor, who is the buyer, both with `NEW_BUSINESS`. `given` is its amount.
    function authoriseClaim(Sides calldata sides) external view;

    /// @notice Reverts unless the account is admitted now for the role and not suspended.
    function checkAdmitted(address account, uint16 role) external view;

    /// @notice Reverts if the account is unknown or suspended.
    function checkNotSuspended(address account) external view;

    /// @notice The address an account with this commitment has.
    function accountOf(bytes32 commitment) external view returns (address);

    function account(address account_) external view returns (Account memory);

    /// @notice Whether the operator could act for it without limit: a key with all of `SCOPE_TRANSFER`, no limit.
    function hasFullTransferGrant(address account_, address signer) external view returns (bool);

    function grantOf(address account_, bytes32 key) external view returns (Grant memory);

    function limitsOf(address account_, bytes32 key, uint32 currency) external view returns (Limits memory);

    /// @notice Earlier grants of the key for the account, oldest first.
    function pastGrants(address account_, bytes32 key) external view returns (Grant[] memory);

    function admissions(address account_) external view returns (Admission[] memory);

    function suspensions(address account_) external view returns (Suspension[] memory);

    /// @notice When an epoch of the account was ended by a succession, and with it all its grants; zero if it was not.
    function epochEnd(address account_, uint16 epoch) external view returns (uint40);

    /// @notice Whether the key had the scope for the account at that second, provable from storage.
    function wasAuthorised(address account_, bytes32 key, uint16 scope, uint40 time)
        external
        view
        returns (bool);

    /// @notice Whether the account was admitted for the role and not suspended at that second.
    function wasAdmitted(address account_, uint16 role, uint40 time) external view returns (bool);

    function pendingTakeover(address account_) external view returns (Takeover memory);

    /// @return payout Zero if no change is pending.
    function pendingPayout(address account_) external view returns (address payout, uint40 readyAt);
}
