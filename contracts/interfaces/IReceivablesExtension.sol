// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Currency, Holding, OperatorState, Parcel, Phase, Receivable, Status} from "../types/Receivable.sol";
import {Settlement} from "../types/Settlement.sol";
import {Terms, Undertaking} from "../types/Terms.sol";
import {IReceivablesEvents} from "./IReceivablesEvents.sol";

/// @title What else receivables need: part payments, locks, settings, questions
interface IReceivablesExtension is IReceivablesEvents {
    /* TITLE: see also IERC1155 */

    /// @notice Consents once to receive up to so many units. Signer: `account`, TRANSFER.
    function allowReceipt(bytes32 id, address account, uint64 units) external;

    /* PAYMENT */

    /// @notice As `pay`, of any amount. Signer: debtor, PAY, also while suspended.
    /// @param lot Zero for the main part.
    /// @param payment As `amount` of `pay`; named otherwise because the terms, which are signed flat, have an amount.
    function payAsDebtor(Terms calldata terms, uint8 lot, uint64 payment) external returns (uint64 taken);

    /// @notice As `redeem`, of several receivables in one currency; those with nothing to collect are passed over.
    function redeemMany(bytes32[] calldata ids, address account) external;

    /* OPERATORS: recorded versions of IFinancing, which have checked both sides' signatures */

    /// @notice Returns units to the seller they were bought from, when recourse is performed. Needs no consent, and no
    /// valid admission.
    function sendBack(bytes32 id, address from, address to, uint64 units) external;

    /// @notice Sets units aside in a lock: an account without key, admission or other units of this receivable.
    /// @return currency The currency of the receivable.
    function lock(Parcel calldata parcel, address from, address lockAccount, bool acceptDispute)
        external
        returns (Settlement currency);

    /// @notice Empties a lock, with all that was paid on it meanwhile.
    /// @param sold Whether they go to a buyer rather than back.
    /// @return sent As of `sell`.
    function unlock(bytes32 id, address lockAccount, address to, bool sold) external returns (uint64 sent);

    /* SETTINGS: roles of the AccessManager */

    /// @notice Admits a settlement token for a currency, for good; `setCurrency` closes it for new business. The longest
    /// tenor begins as 180 days.
    /// @param digits Minor-unit digits of the currency (ISO 4217); the token must have as many or more.
    function admitCurrency(address token, bytes3 code, uint8 digits, uint40 minimum)
        external
        returns (uint32 id);

    /// @param open Whether new business may be done in it.
    /// @param minimum See `Currency`.
    /// @param maxTenorDays At most 365.
    function setCurrency(uint32 id, bool open, uint40 minimum, uint16 maxTenorDays) external;

    /// @notice Records a version of Financing, lets it only wind down, or ends it. Takes the AccessManager's delay.
    /// @dev Warning: one that is ended can no longer give back what it locked.
    function setOperator(address operator, OperatorState state) external;

    /// @notice Stops issuing, confirming, transferring and selling. Never paying, redeeming or recourse.
    function pause() external;

    function unpause() external;

    /* QUESTIONS */

    /// @notice The id of terms: their EIP-712 hash.
    function idOf(Terms calldata terms) external pure returns (bytes32);

    /// @notice The sentence that the debtor signs.
    function statementOf(Undertaking undertaking) external pure returns (string memory);

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

    /// @notice A currency by its id; token zero if there is none.
    function currency(uint32 id) external view returns (Currency memory);

    /// @notice A currency by its token; id zero if there is none.
    function currencyOf(address token) external view returns (uint32 id, Currency memory);

    function currencyIds() external view returns (uint32[] memory);

    function operatorState(address operator) external view returns (OperatorState);

    function isPaused() external view returns (bool);
}
