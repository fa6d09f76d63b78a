// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Terms} from "../types/Terms.sol";
import {IReceivablesEvents} from "./IReceivablesEvents.sol";

/// @title What is done about a receivable when things go otherwise than planned
interface IReceivablesRemedies is IReceivablesEvents {
    /* ISSUE AND CONFIRM */

    /// @notice Withdraws what was not confirmed. Signer: supplier, ISSUE.
    function cancel(Terms calldata terms, bytes32 reason) external;

    /// @notice Turns down what was not confirmed. Signer: debtor, CONFIRM.
    function reject(Terms calldata terms, bytes32 reason) external;

    /* PAYMENT */

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
    function dispute(Terms calldata terms, uint64 disputed, bytes32 reason) external returns (bytes32 lot);

    /// @notice Ends a dispute: the lot stays apart, payable. Signer: debtor, CONFIRM.
    function endDispute(Terms calldata terms, uint8 lot) external;

    /// @notice Whether the account gives its late interest back. Signer: `account`, ADJUST.
    function waiveInterest(bytes32 id, address account, bool waived) external;

    /// @notice Marks all the account's units as written off, after default. Signer: `account`, ADJUST.
    function writeOff(bytes32 id, address account) external;
}
