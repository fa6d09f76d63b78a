// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {Currency, Holding, Parcel, Phase, Receivable, Status} from "../types/Receivable.sol";
import {Confirmation, Terms, Undertaking} from "../types/Terms.sol";
import {ISignedActions} from "./ISignedActions.sol";

/// @title Receivables: claims that their debtors signed, divisible, transferable, paid once
/// @notice A receivable is an ERC-1155 id, the hash of its terms; a unit of it is a minor unit of its original face
/// value. Whoever holds units when money comes in owns their share of it.
/// @dev Every function that acts for an account asks `IParticipants` whether the caller, or the signer of a relayed
/// action (`ISignedActions`), may. Amounts are minor units of the receivable's currency. Times are Unix seconds.
/// @dev What the supplier signs is the flat list of terms: see `ISignedActions`. What the debtor signs is
/// `Confirmation(string statement,Terms terms,uint256 nonce,uint256 deadline)`, see `types/Terms.sol`.
/// @dev Warning: accounts have neither key nor code. Transfers call no receiver hook, and `setApprovalForAll` is
/// refused: who may act for an account is said in `IParticipants`.
/// @dev Warning: cash comes only from the wallet of the caller or of the signer of exactly that payment.
/// @dev Assumption: settlement tokens are admitted one by one; one that takes a fee on transfer is refused when it
/// is paid with.
interface IReceivables is IERC1155, ISignedActions {
    /* LIFE CYCLE */

    event Issued(bytes32 indexed id, address indexed supplier, address indexed debtor, Terms terms);
    /// @param signer Whoever signed for the debtor; `cosigner` is zero where one was enough.
    event Confirmed(
        bytes32 indexed id,
        address indexed debtor,
        address indexed signer,
        address cosigner,
        uint256 nonce,
        uint256 deadline
    );
    event Cancelled(bytes32 indexed id, bytes32 reason);
    event Rejected(bytes32 indexed id, bytes32 reason);
    event Replaced(bytes32 indexed id, bytes32 indexed by);
    event Settled(bytes32 indexed id);

    /* MONEY */

    /// @param face What was paid of the face value, `interest` of late interest; `unpaid` is the face left.
    event Paid(bytes32 indexed id, address indexed payer, uint64 face, uint64 interest, uint64 unpaid);
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
        uint16 indexed currency, address indexed token, bytes3 code, uint8 exponent, uint56 minimum
    );
    event CurrencyChanged(uint16 indexed currency, bool open, uint56 minimum);
    event TenorLimitSet(uint32 maxTenor);
    event OperatorSet(address indexed operator, bool recorded);
    event Paused();
    event Unpaused();

    /* ERRORS */

    /// @notice Thrown when the receivable is not in the state the call needs.
    error StatusIs(bytes32 id, Status status);
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
    /// @notice Thrown when the account is none that units can be held by.
    error NotALock(address account);

    /* ISSUE AND CONFIRM */

    /// @notice Puts a receivable forward; its units go to the supplier and can only wait. Signer: supplier, ISSUE.
    function issue(Terms calldata terms) external returns (bytes32 id);

    /// @notice Issues several, all or none.
    function issueMany(Terms[] calldata terms) external returns (bytes32[] memory ids);

    /// @notice Records the debtor's consent and takes the fingerprints' slots. Anybody may send it.
    function confirm(Terms calldata terms, Confirmation calldata confirmation) external;

    /// @notice Confirms several, all or none.
    function confirmMany(Terms[] calldata terms, Confirmation[] calldata confirmations) external;

    /// @notice Issues and confirms in one: what is refused never shows on the chain. Signer: supplier, ISSUE.
    /// @dev As a relayed action its signed arguments are the terms; the confirmation carries its own signature.
    function issueAndConfirm(Terms calldata terms, Confirmation calldata confirmation)
        external
        returns (bytes32 id);

    /// @notice Issues and confirms several, all or none. Not relayed as one action; send the single ones together.
    function issueAndConfirmMany(Terms[] calldata terms, Confirmation[] calldata confirmations)
        external
        returns (bytes32[] memory ids);

    /// @notice Withdraws what was not confirmed. Signer: supplier, ISSUE.
    function cancel(Terms calldata terms, bytes32 reason) external;

    /// @notice Turns down what was not confirmed. Signer: debtor, CONFIRM.
    function reject(Terms calldata terms, bytes32 reason) external;

    /// @notice Puts corrected terms in the place of confirmed ones, while the supplier holds every unit and nothing is
    /// paid, reduced, locked, disputed or was ever sold. The debtor signs
    /// `Replacement(string statement,bytes32 replaced,Terms terms,uint256 nonce,uint256 deadline)`.
    /// Signer: supplier, ISSUE.
    /// @param oldFingerprints All fingerprints of the replaced claim, the terms' own first.
    /// @dev As a relayed action its signed arguments are both terms.
    function replace(
        Terms calldata replaced,
        Terms calldata terms,
        bytes32[] calldata oldFingerprints,
        Confirmation calldata confirmation
    ) external returns (bytes32 id);

    /* TITLE: see also IERC1155 */

    /// @notice Gives units away, as `safeTransferFrom`. Signer: `from`, TRANSFER.
    function transfer(bytes32 id, address from, address to, uint64 units) external;

    /// @notice Consents once to receive up to so many units. Signer: `account`, TRANSFER.
    function allowReceipt(bytes32 id, address account, uint64 units) external;

    /* PAYMENT */

    /// @notice Pays with the signer's own money; what is more than owed is not taken. Anybody may, from the
    /// currency's minimum or what is owed.
    /// @param amount The most to pay, face and late interest together.
    function pay(bytes32 id, uint64 amount) external returns (uint64 taken);

    /// @notice As `pay`, of any amount. Signer: debtor, PAY, also while suspended.
    /// @param lot Zero for the main part.
    function payAsDebtor(Terms calldata terms, uint8 lot, uint64 amount) external returns (uint64 taken);

    /// @notice Collects what was paid on the account's units, to its payout address. Signer: `account`, REDEEM.
    function redeem(bytes32 id, address account) external returns (uint64 face, uint64 interest);

    function redeemMany(bytes32[] calldata ids, address account) external;

    /// @notice Sends what holders waived of late interest back to the debtor's payout address. Anybody may.
    function returnInterest(Terms calldata terms, uint8 lot) external returns (uint64 interest);

    /* WHAT GOES WRONG */

    /// @notice The supplier's credit note: extinguishes its own units first; other holders may join for the rest.
    /// Signer: supplier, ISSUE.
    /// @param note Hash of the credit note; used once.
    function issueCreditNote(Terms calldata terms, uint8 lot, uint64 total, bytes32 note) external;

    /// @notice Extinguishes units of a holder against what is left of a credit note. Signer: `account`, ADJUST.
    function joinCreditNote(bytes32 id, address account, bytes32 note, uint64 amount) external;

    /// @notice Closes units of a holder against a payment outside. Signer: `account`, ADJUST.
    /// @param paymentReference Hash of the payment's reference.
    function closeOutside(bytes32 id, address account, uint64 amount, bytes32 paymentReference) external;

    /// @notice Takes an amount of the supplier's units out as a lot under dispute. Signer: debtor, CONFIRM.
    function dispute(Terms calldata terms, uint64 amount, bytes32 reason) external returns (bytes32 lot);

    /// @notice Ends a dispute: the lot stays apart, payable. Signer: debtor, CONFIRM.
    function endDispute(Terms calldata terms, uint8 lot) external;

    /// @notice Whether the account gives its late interest back. Signer: `account`, ADJUST.
    function waiveInterest(bytes32 id, address account, bool waived) external;

    /// @notice Marks all the account's units as written off, after default. Signer: `account`, ADJUST.
    function writeOff(bytes32 id, address account) external;

    /* OPERATORS: recorded versions of IFinancing, which have checked both sides' signatures */

    /// @notice Moves sold units and marks them as such.
    /// @param acceptDispute Whether the buyer accepts that a lot of the receivable is under dispute.
    /// @return sent For each parcel the `sent` count of the buyer, from which `heldSince` counts.
    function sell(Parcel[] calldata parcels, address from, address to, bool acceptDispute)
        external
        returns (uint64[] memory sent);

    /// @notice Returns units to the seller they were bought from, when recourse is performed. Needs no consent, and no
    /// valid admission.
    function sendBack(bytes32 id, address from, address to, uint64 units) external;

    /// @notice Sets units aside in a lock: an account without key, admission or other units of this receivable.
    function lock(Parcel calldata parcel, address from, address lockAccount, bool acceptDispute) external;

    /// @notice Empties a lock, with all that was paid on it meanwhile.
    /// @param sold Whether they go to a buyer rather than back.
    /// @return sent As of `sell`.
    function unlock(bytes32 id, address lockAccount, address to, bool sold) external returns (uint64 sent);

    /* SETTINGS: roles of the AccessManager */

    /// @notice Admits a settlement token for a currency, for good; `setCurrency` closes it for new business.
    /// @param digits Minor-unit digits of the currency (ISO 4217); the token must have as many or more.
    function admitCurrency(address token, bytes3 code, uint8 digits, uint56 minimum)
        external
        returns (uint16 currency);

    function setCurrency(uint16 currency, bool open, uint56 minimum) external;

    /// @param maxTenor Longest time from confirmation to due date, in seconds; at most 365 days.
    function setTenorLimit(uint32 maxTenor) external;

    /// @notice Records a version of Financing, or retires it for new sales; it can always unlock and send back.
    function setOperator(address operator, bool recorded) external;

    /// @notice Stops issuing, confirming, transferring and selling. Never paying, redeeming or recourse.
    function pause() external;

    function unpause() external;

    /* QUESTIONS */

    /// @notice The id of terms: their EIP-712 hash.
    function idOf(Terms calldata terms) external pure returns (bytes32);

    /// @notice The id of a receivable's lot, `lot` from 1.
    function lotId(bytes32 id, uint8 lot) external pure returns (bytes32);

    function receivable(bytes32 id) external view returns (Receivable memory);

    function statusOf(bytes32 id) external view returns (Status);

    function phaseOf(bytes32 id) external view returns (Phase);

    function holding(bytes32 id, address account) external view returns (Holding memory);

    /// @notice What must be paid now to settle it.
    function due(bytes32 id) external view returns (uint64 face, uint64 interest);

    /// @notice Units the account may part with now.
    function freeUnits(bytes32 id, address account) external view returns (uint64);

    /// @notice Of `units` bought when the account's `sent` count was `sentAtSale`, how many it has held since.
    function heldSince(bytes32 id, address account, uint64 units, uint64 sentAtSale)
        external
        view
        returns (uint64);

    /// @notice What is left of a credit note for other holders to join; the supplier's debt until they do.
    function creditNoteLeft(bytes32 id, bytes32 note) external view returns (uint64);

    function receiptAllowed(bytes32 id, address account) external view returns (uint64 units);

    /// @notice Late interest that holders waived and that waits for `returnInterest`.
    function interestToReturn(bytes32 id) external view returns (uint64);

    /// @notice A currency by its index; token zero if there is none.
    function currency(uint16 index) external view returns (Currency memory);

    function currencyCount() external view returns (uint16);

    /// @notice A currency by its token; index zero if there is none.
    function currencyOf(address token) external view returns (uint16 index, Currency memory);

    function isOperator(address operator) external view returns (bool);

    function isPaused() external view returns (bool);

    function maxTenor() external view returns (uint32);

    /// @notice The sentence that the debtor signs.
    function statementOf(Undertaking undertaking) external pure returns (string memory);

    /// @notice EIP-712 digest of `Confirmation`, or of `Replacement` where `replaced` is not zero.
    function confirmationDigest(Terms calldata terms, bytes32 replaced, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32);
}
