// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesCore} from "./IReceivablesCore.sol";
import {IReceivablesExtension} from "./IReceivablesExtension.sol";
import {IReceivablesRemedies} from "./IReceivablesRemedies.sol";

/// @title Receivables: claims that their debtors signed, divisible, transferable, paid once
/// @notice A receivable is an ERC-1155 id, the hash of its terms; a unit of it is a minor unit of its original face
/// value. Whoever holds units when money comes in owns their share of it.
/// @dev One contract to its callers. Its code is in three, because code has a limit of 24,576 bytes: what `Receivables`
/// does not know it leaves to `ReceivablesExtension` by delegatecall, and that to `ReceivablesRemedies`. Use this interface at the address of the first.
/// @dev Every function that acts for an account asks `IParticipants` whether the caller, or the signer of a relayed
/// action (`ISignedActions`), may. Amounts are minor units of the receivable's currency. Times are Unix seconds.
/// @dev What the supplier signs is the flat list of terms: see `ISignedActions`. What the debtor signs is
/// `Confirmation(string statement,Terms terms,uint256 nonce,uint256 deadline)`, see `types/Terms.sol`.
/// @dev Warning: accounts have neither key nor code. Transfers call no receiver hook, and `setApprovalForAll` is
/// refused: who may act for an account is said in `IParticipants`.
/// @dev Warning: cash comes only from the wallet of the caller or of the signer of exactly that payment.
/// @dev Assumption: settlement tokens are admitted one by one; one that takes a fee on transfer is refused when it
/// is paid with.
interface IReceivables is IReceivablesCore, IReceivablesExtension, IReceivablesRemedies {}
