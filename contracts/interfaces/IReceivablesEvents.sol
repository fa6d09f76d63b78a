// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {OperatorState, Status} from "../types/Receivable.sol";
import {PaymentOrder, Undertaking} from "../types/Terms.sol";

/// @title What Receivables tells: enough to rebuild every receivable and holding, and every reason to refuse
interface IReceivablesEvents {
    /* LIFE CYCLE */

    /// @notice The terms, member by member: together with the topics they are the preimage of `id`.
    event Issued(
        bytes32 indexed id,
        address indexed supplier,
        address indexed debtor,
        address token,
        bytes3 currency,
        uint64 amount,
        uint40 dueEnd,
        uint16 graceDays,
        uint24 lateRate,
        Undertaking undertaking,
        PaymentOrder paymentOrder,
        uint32 keySet,
        bytes32 fingerprint,
        bytes32 otherFingerprints,
        bytes32 documentRoot,
        bytes32 rules
    );
    /// @param signer Whoever signed for the debtor; `cosigner` is zero where one was enough.
    event Confirmed(
        bytes32 indexed id, address indexed signer, address cosigner, uint256 nonce, uint256 deadline
    );
    event Cancelled(bytes32 indexed id, bytes32 reason);
    event Rejected(bytes32 indexed id, bytes32 reason);
    event Replaced(bytes32 indexed id, bytes32 indexed by);
    /// @notice Emitted when nothing is owed any more, unless it was a payment that did it: `Paid` says so itself.
    event Settled(bytes32 indexed id);

    /* MONEY */

    /// @param face What was paid of the face value, `interest` of late interest; `unpaid` is the face left.
    /// @param settled Whether nothing is owed any more.
    event Paid(
        bytes32 indexed id, address indexed payer, uint64 face, uint64 interest, uint64 unpaid, bool settled
    );
    event Redeemed(bytes32 indexed id, address indexed account, address payout, uint64 face, uint64 interest);
    event InterestReturned(bytes32 indexed id, address indexed debtor, address payout, uint64 interest);
    event InterestWaived(bytes32 indexed id, address indexed account, bool waived);

    /* UNITS */

    event ReceiptAllowed(bytes32 indexed id, address indexed account, uint64 units);
    /// @param total What the supplier grants; `own` of it by its own units, `left` waits for other holders' consent.
    event CreditNoteIssued(bytes32 indexed id, bytes32 indexed note, uint64 total, uint64 own, uint64 left);
    /// @notice Emitted for each holder whose units a credit note extinguished, the supplier included.
    event Reduced(
        bytes32 indexed id, address indexed account, bytes32 indexed note, uint64 amount, uint64 units
    );
    event ClosedOutside(
        bytes32 indexed id,
        address indexed account,
        bytes32 indexed paymentReference,
        uint64 amount,
        uint64 units
    );
    event Disputed(bytes32 indexed id, bytes32 indexed lot, uint64 amount, uint64 units, bytes32 reason);
    event DisputeEnded(bytes32 indexed id, bytes32 indexed lot);
    event MarkedWrittenOff(bytes32 indexed id, address indexed account, uint64 units);
    event WrittenOff(bytes32 indexed id);
    /// @notice Emitted when units are set aside in a keyless account of their own, where what is paid on them waits.
    event Locked(bytes32 indexed id, address indexed from, address indexed lock, uint64 units);
    event Unlocked(bytes32 indexed id, address indexed lock, address indexed to, uint64 units);

    /* SETTINGS */

    event CurrencyAdmitted(
        uint32 indexed currency,
        address indexed token,
        bytes3 code,
        uint8 exponent,
        uint40 minimum,
        uint16 maxTenorDays
    );
    event CurrencyChanged(uint32 indexed currency, bool open, uint40 minimum, uint16 maxTenorDays);
    event OperatorSet(address indexed operator, OperatorState state);
    event Paused();
    event Unpaused();

    /* ERRORS */

    /// @notice Thrown when the receivable is not in the state the call needs.
    error StatusIs(bytes32 id, Status status);
    /// @notice Thrown when no receivable may go from the one status to the other.
    error TransitionForbidden(Status from, Status to);
    /// @notice Thrown when there is one with these terms already.
    error AlreadyIssued(bytes32 id);
    /// @notice Thrown when the amount is zero, or terms name the same account as supplier and debtor.
    error TermsInvalid();
    /// @notice Thrown when the currency is not admitted for new business, or its code is another.
    error CurrencyNotOpen(address token, bytes3 code);
    /// @notice Thrown when new business is paused. Paying and redeeming never are.
    error NewBusinessPaused();
    /// @notice Thrown when the receivable is past due.
    error PastDue(uint40 dueEnd);
    /// @notice Thrown when it would be due later than the longest tenor allows.
    error TenorTooLong(uint40 dueEnd, uint40 latest);
    /// @notice Thrown when the debtor's signature is used after its time.
    error ConfirmationExpired(uint256 deadline);
    /// @notice Thrown when the further fingerprints are not those whose hash is in the terms.
    error OtherFingerprintsMismatch();
    /// @notice Thrown when the receivable is in another currency than that of the sale.
    error CurrencyDiffers(bytes32 id);
    /// @notice Thrown when an account has not enough units that it may part with.
    error NotEnoughUnits(bytes32 id, address account, uint64 free, uint64 needed);
    /// @notice Thrown when a part is smaller than the currency's minimum.
    error BelowMinimum(uint64 units, uint64 minimum);
    /// @notice Thrown when the receiver has not consented.
    error ReceiverHasNotConsented(bytes32 id, address account);
    /// @notice Thrown when a lot is to be transferred.
    error LotNotTransferable(bytes32 lot);
    /// @notice Thrown when a lot is under dispute and the call does not accept that.
    error UnderDispute(bytes32 id);
    /// @notice Thrown when the units carry less of the unpaid amount than was signed for.
    error PaidSince(bytes32 id, uint64 unpaid, uint64 minUnpaid);
    /// @notice Thrown when nothing is due, or nothing can be redeemed.
    error NothingDue(bytes32 id);
    /// @notice Thrown when the amount is above what the account's units still carry, or what a credit note left.
    error AmountTooLarge(bytes32 id, uint64 amount, uint64 limit);
    /// @notice Thrown when the amount is zero, or arrays differ in length.
    error ArgumentInvalid();
    /// @notice Thrown when the debtor undertook not to dispute.
    error Irrevocably(bytes32 id);
    /// @notice Thrown when the claim cannot be replaced: paid, reduced, disputed, sold, or not whole with its supplier.
    error NotReplaceable(bytes32 id);
    /// @notice Thrown when the new claim has another supplier or debtor.
    error PartiesDiffer();
    /// @notice Thrown when the token delivered less than it was asked for.
    error TokenShort(address token, uint256 received, uint256 expected);
    /// @notice Thrown when the caller is not a recorded operator (`IFinancing`).
    error NotOperator(address caller);
    /// @notice Thrown by `setApprovalForAll`: grants of `IParticipants` say who may act for an account.
    error ApprovalsAreGrants();
    /// @notice Thrown when a setting is out of bounds, or the token unfit for the currency.
    error SettingInvalid();
    /// @notice Thrown when units are locked in an account that is a party's or holds some, or unlocked from one that is none.
    error NotALock(address account);
    /// @notice Thrown when the credit note was used before.
    error CreditNoteUsed(bytes32 id, bytes32 note);
    /// @notice Thrown when it is not under dispute.
    error NotDisputed(bytes32 id);
    /// @notice Thrown when it is not in default yet.
    error NotInDefault(bytes32 id);
}
