// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ILedgerEvidence} from "./ILedgerEvidence.sol";

/// @title Money that is paid out once the buyer has recorded that it received the goods
/// @notice An example of a contract outside the ledger that rests on what the ledger proves. A funder deposits; when
/// the buyer's receipt for the agreed despatch stands in the log, and the funder holds the receivable, anybody may
/// release the money to the seller. After the deadline the funder may take it back.
/// @dev Warning: an example, to read and to build on; it was reviewed less than the ledger's own contracts.
contract ReceiptEscrow {
    using SafeERC20 for IERC20;

    /// @notice What was agreed. Its hash names the deposit.
    struct Agreement {
        address funder;
        address seller;
        IERC20 token;
        uint256 amount;
        /// The account whose receipt counts.
        address buyer;
        /// As it stands in the event, canonical JSON with its quotes.
        bytes despatch;
        /// The receivable, and how much of it the funder's account must hold.
        bytes32 receivable;
        address funderAccount;
        uint64 units;
        uint64 deadline;
    }

    /// @notice Emitted when the money of an agreement was deposited.
    event Deposited(bytes32 indexed agreement);
    /// @notice Emitted when it was paid to the seller.
    event Released(bytes32 indexed agreement, uint64 sequence);
    /// @notice Emitted when it went back to the funder.
    event Returned(bytes32 indexed agreement);

    /// @notice Thrown when there is no such deposit, or there is one already.
    error NoDeposit(bytes32 agreement);
    error Exists(bytes32 agreement);
    /// @notice Thrown when somebody else than the agreed buyer recorded the event.
    error NotTheBuyers(address recorder);
    /// @notice Thrown when the event does not say that the agreed despatch was received.
    error NotAReceipt();
    /// @notice Thrown when the funder's account does not hold enough of the receivable.
    error TitleMissing(uint64 units);
    /// @notice Thrown when the money is asked back too early, or by somebody else.
    error NotYours();

    ILedgerEvidence public immutable EVIDENCE;
    mapping(bytes32 agreement => bool) public deposited;

    constructor(ILedgerEvidence evidence) {
        EVIDENCE = evidence;
    }

    /// @notice Deposits the money of an agreement, from the funder's own wallet.
    function deposit(Agreement calldata agreed) external returns (bytes32 id) {
        if (msg.sender != agreed.funder) revert NotYours();
        id = keccak256(abi.encode(agreed));
        if (deposited[id]) revert Exists(id);

        deposited[id] = true;
        emit Deposited(id);

        agreed.token.safeTransferFrom(msg.sender, address(this), agreed.amount);
    }

    /// @notice Pays the seller on proof of receipt and of title. By anybody.
    /// @param step The event's `/bizStep`. @param despatch The field that names the agreed despatch, one of its
    /// `/bizTransactionList/…/bizTransaction`.
    function release(
        Agreement calldata agreed,
        ILedgerEvidence.LoggedEvent calldata logged,
        ILedgerEvidence.Field calldata step,
        ILedgerEvidence.Field calldata despatch
    ) external {
        bytes32 id = _take(agreed);
        ILedgerEvidence.Recorded memory found = EVIDENCE.recorded(logged);
        if (found.recorder != agreed.buyer) revert NotTheBuyers(found.recorder);
        if (!_isReceipt(step) || !_names(despatch, agreed.despatch)) revert NotAReceipt();
        if (!EVIDENCE.hasField(found.fieldsRoot, step) || !EVIDENCE.hasField(found.fieldsRoot, despatch)) {
            revert NotAReceipt();
        }
        (uint64 units,) = EVIDENCE.title(agreed.receivable, agreed.funderAccount);
        if (units < agreed.units) revert TitleMissing(units);
        emit Released(id, found.sequence);

        agreed.token.safeTransfer(agreed.seller, agreed.amount);
    }

    /// @notice Gives the money back to the funder after the deadline. By the funder.
    function takeBack(Agreement calldata agreed) external {
        if (msg.sender != agreed.funder || block.timestamp <= agreed.deadline) revert NotYours();
        emit Returned(_take(agreed));

        agreed.token.safeTransfer(agreed.funder, agreed.amount);
    }

    function _take(Agreement calldata agreed) private returns (bytes32 id) {
        id = keccak256(abi.encode(agreed));
        if (!deposited[id]) revert NoDeposit(id);
        deposited[id] = false;
    }

    function _isReceipt(ILedgerEvidence.Field calldata step) private pure returns (bool) {
        bytes32 name = keccak256(bytes(step.name));
        bytes32 value = keccak256(step.value);
        return name == keccak256("/bizStep")
            && (value == keccak256('"receiving"') || value == keccak256('"accepting"'));
    }

    /// Whether the field is a business transaction of the event and is the one agreed. Which number an index has does
    /// not matter: names of fields are digits between fixed words.
    function _names(ILedgerEvidence.Field calldata field, bytes calldata despatch)
        private
        pure
        returns (bool)
    {
        bytes calldata name = bytes(field.name);
        bytes memory start = "/bizTransactionList/";
        bytes memory end = "/bizTransaction";
        if (name.length <= start.length + end.length) return false;
        if (keccak256(name[:start.length]) != keccak256(start)) return false;
        if (keccak256(name[name.length - end.length:]) != keccak256(end)) return false;
        return keccak256(field.value) == keccak256(despatch);
    }
}
