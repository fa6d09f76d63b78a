// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {Sides} from "../types/Account.sol";
import {Parcel} from "../types/Receivable.sol";
import {Settlement} from "../types/Settlement.sol";
import {Confirmation, Terms} from "../types/Terms.sol";
import {IReceivablesEvents} from "./IReceivablesEvents.sol";
import {ISignedActions} from "./ISignedActions.sol";

/// @title The common path of receivables: issue, confirm, give, sell, pay, redeem
interface IReceivablesCore is IERC1155, ISignedActions, IReceivablesEvents {
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

    /* PAYMENT */

    /// @notice Pays with the signer's own money; what is more than owed is not taken. Anybody may, from the
    /// currency's minimum or what is owed.
    /// @param amount The most to pay, face and late interest together.
    function pay(bytes32 id, uint64 amount) external returns (uint64 taken);

    /// @notice Collects what was paid on the account's units, to its payout address. Signer: `account`, REDEEM.
    function redeem(bytes32 id, address account) external returns (uint64 face, uint64 interest);

    /* OPERATORS: recorded versions of IFinancing, which have checked both sides' signatures */

    /// @notice Moves sold units, all of them in one currency, and marks them as such. Whether both sides' signers may
    /// do this is asked here.
    /// @param acceptDispute Whether the buyer accepts that a lot of the receivable is under dispute.
    /// @return payout Where the seller's cash is paid out.
    /// @return currency The currency of the parcels.
    /// @return sent For each parcel the `sent` count of the buyer, from which `heldSince` counts; empty if all are zero.
    function sell(Sides calldata sides, bool acceptDispute, Parcel[] calldata parcels)
        external
        returns (address payout, Settlement currency, uint64[] memory sent);

    /* QUESTIONS */

    /// @notice EIP-712 digest of `Confirmation`, or of `Replacement` where `replaced` is not zero.
    function confirmationDigest(Terms calldata terms, bytes32 replaced, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32);
}
