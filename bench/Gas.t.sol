// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ProvenanceLog} from "../contracts/ProvenanceLog.sol";
import {SignedAction} from "../contracts/interfaces/ISignedActions.sol";
import {SCOPE_TRANSFER, UNLIMITED} from "../contracts/types/Account.sol";
import {Parcel} from "../contracts/types/Receivable.sol";
import {Offer} from "../contracts/types/Sale.sol";
import {Confirmation, Terms} from "../contracts/types/Terms.sol";
import {LedgerTest} from "../tests/contracts/forge/LedgerTest.sol";
import {vm} from "../tests/contracts/forge/Vm.sol";

/// A wallet of several calls in one transaction, with as little of its own as there can be: what fifty actions of its
/// owner cost when nobody has to relay them.
contract Wallet {
    function does(address target, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes calldata call = calls[i];
            assembly ("memory-safe") {
                let data := mload(0x40)
                calldatacopy(data, call.offset, call.length)
                if iszero(call(gas(), target, 0, data, call.length, 0, 0)) { revert(0, 0) }
            }
        }
    }
}

/// What each operation costs, as the gas used by a transaction of its own (`forge test --isolate`): a plain ERC-20, the
/// ledger's and all parties' token balances not zero, one VRF key, one seller identifier, one signer, standing consent.
/// "of_50" is a fiftieth of one transaction for fifty.
contract GasBenchmark is LedgerTest {
    /// The event whose contents Forge prints.
    event log_named_uint(string key, uint256 val);
    event log_named_int(string key, int256 val);

    uint256 private constant MANY = 50;
    uint256 private constant TX = 21_000;

    function setUp() public override {
        super.setUp();
        // Steady state: everybody has been here before, and the ledger holds money that nobody has collected yet.
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 id = _claim();
            _sell(id);
            _transfer(bank, otherBank, id, FACE / 10);
            _pay(debtor, id, FACE);
            if (i == 0) _redeem(bank, id);
        }
        vm.warp(block.timestamp + 1 days);
    }

    function test_Issue() public {
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        bytes32 id = receivables.issue(terms);
        _measured("issue", 1);

        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(debtor.signer);
        receivables.confirm(terms, confirmation);
        _measured("confirm", 1);
        assertEq(_units(supplier, id), FACE, "units");
    }

    function test_IssueMany() public {
        (Terms[] memory terms, Confirmation[] memory confirmations) = _many();
        vm.prank(supplier.signer);
        bytes32[] memory ids = receivables.issueMany(terms);
        _measured("issue_of_50", MANY);

        vm.prank(debtor.signer);
        receivables.confirmMany(terms, confirmations);
        _measured("confirm_of_50", MANY);
        assertEq(_units(supplier, ids[MANY - 1]), FACE, "units");
    }

    function test_Transfer() public {
        bytes32 id = _claim();
        _transfer(supplier, subSupplier, id, FACE / 4);
        _measured("transfer_new", 1);
        _transfer(supplier, subSupplier, id, FACE / 4);
        _measured("transfer_existing", 1);
        assertEq(_units(subSupplier, id), FACE / 2, "units");
    }

    function test_Life() public {
        Terms memory terms = _terms();
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(supplier.signer);
        bytes32 id = receivables.issueAndConfirm(terms, confirmation);
        uint256 life = _measured("issue_confirm", 1);

        Offer memory offer = _offer(id);
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        financing.accept(offer, offer.price, signature);
        life += _measured("sale", 1);

        vm.warp(block.timestamp + 80 days);
        _pay(debtor, id, FACE);
        life += _measured("pay", 1);

        uint256 before = euro.balanceOf(bank.payout);
        _redeem(bank, id);
        life += _measured("redeem", 1);
        assertEq(euro.balanceOf(bank.payout) - before, FACE, "redeemed");
        emit log_named_uint("life", life);
    }

    function test_LifeOfMany() public {
        (Terms[] memory terms, Confirmation[] memory confirmations) = _many();
        vm.prank(supplier.signer);
        bytes32[] memory ids = receivables.issueAndConfirmMany(terms, confirmations);
        uint256 life = _measured("issue_confirm_of_50", MANY);

        Offer memory offer = _offer(ids[0]);
        offer.parcels = new Parcel[](MANY);
        for (uint256 i = 0; i < MANY; ++i) {
            offer.parcels[i] = Parcel(ids[i], FACE, FACE);
        }
        offer.price = uint64(FACE * MANY / 100 * 97);
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        financing.accept(offer, offer.price, signature);
        life += _measured("sale_of_50", MANY);

        vm.warp(block.timestamp + 80 days);
        // Fifty payments that the debtor signed, sent together.
        SignedAction[] memory payments = new SignedAction[](MANY);
        for (uint256 i = 0; i < MANY; ++i) {
            bytes memory callData = abi.encodeCall(receivables.pay, (ids[i], FACE));
            payments[i] = _signAction(receivables, debtor, callData, 1000 + i);
        }
        receivables.relayMany(payments);
        life += _measured("pay_of_50", MANY);

        uint256 before = euro.balanceOf(bank.payout);
        vm.prank(bank.signer);
        receivables.redeemMany(ids, bank.account);
        life += _measured("redeem_of_50", MANY);
        assertEq(euro.balanceOf(bank.payout) - before, FACE * MANY, "redeemed");
        emit log_named_uint("life_of_50", life);
    }

    /// From 983,039 to 1,000,000 leaves, the longest proof near a million.
    function test_Anchor() public {
        _anchor("anchor_1e6", 1, 983_039, 1_000_000, 21);
    }

    /// What an event costs when a thousand or ten thousand share a head, in a log of a million.
    function test_AnchorShared() public {
        _anchor("anchored_event_of_1000", 1000, 1_000_000, 1_001_000, 11);
        _anchor("anchored_event_of_10000", 10_000, 1_000_000, 1_010_000, 14);
    }

    /// The nodes of the proof are made up and the two roots computed from them: the contract hashes as much for these
    /// as for any others.
    function _anchor(string memory operation, uint256 count, uint64 oldSize, uint64 newSize, uint256 nodes)
        private
    {
        ProvenanceLog log = new ProvenanceLog(address(new AccessManager(address(this))));
        log.setAnchorer(stranger, true);
        bytes32[] memory proof = new bytes32[](nodes);
        for (uint256 i = 0; i < nodes; ++i) {
            proof[i] = keccak256(abi.encode("node", i));
        }
        (bytes32 oldRoot, bytes32 newRoot) = _rootsOf(oldSize, newSize, proof);
        vm.prank(stranger);
        log.anchor(oldRoot, oldSize, new bytes32[](0), keccak256("map"));

        vm.prank(stranger);
        log.anchor(newRoot, newSize, proof, keccak256("next map"));
        _measured(operation, count);
        assertEq(log.head().size, newSize, "size");
    }

    /// The action is a transfer to a holder who has units already.
    function test_Relay() public {
        bytes32 id = _claim();
        _transfer(supplier, subSupplier, id, FACE / 4);
        receivables.relay(_relayed(id, 0));

        _transfer(supplier, subSupplier, id, 1_000_00);
        uint256 direct = _gasUsed();
        receivables.relay(_relayed(id, 1));
        emit log_named_uint("relay_overhead", _gasUsed() - direct);
    }

    /// Against the same transfers made directly, each in a transaction of its own (negative: what fifty share by going
    /// together is more than what relaying adds); and, what relaying adds by itself, against the same fifty made in one
    /// transaction by a wallet that may act for the account.
    function test_RelayMany() public {
        SignedAction[] memory actions = new SignedAction[](MANY);
        bytes[] memory calls = new bytes[](MANY);
        for (uint256 i = 0; i < MANY; ++i) {
            bytes32 id = _claim();
            _transfer(supplier, subSupplier, id, FACE / 4);
            actions[i] = _relayed(id, 1 + i);
            calls[i] = actions[i].callData;
            if (i == 0) receivables.relay(_relayed(id, 0));
        }
        vm.prank(supplier.signer);
        (bool done,) = address(receivables).call(calls[0]);
        assertTrue(done, "transferred");
        uint256 direct = _gasUsed() - TX;

        Wallet wallet = new Wallet();
        bytes32 key = bytes32(uint256(uint160(address(wallet))));
        vm.prank(supplier.signer);
        participants.grantKey(
            supplier.account, key, SCOPE_TRANSFER, 0, 0, type(uint40).max, UNLIMITED, UNLIMITED
        );
        wallet.does(address(receivables), calls);
        uint256 together = (_gasUsed() - TX) / MANY;

        assertEq(receivables.relayMany(actions), 0, "failures");
        uint256 each = (_gasUsed() - TX) / MANY;
        emit log_named_int("relay_overhead_of_50", int256(each) - int256(direct));
        emit log_named_int("relay_overhead_of_50_in_one", int256(each) - int256(together));
    }

    function _relayed(bytes32 id, uint256 nonce) private view returns (SignedAction memory) {
        bytes memory callData =
            abi.encodeCall(receivables.transfer, (id, supplier.account, subSupplier.account, 1_000_00));
        return _signAction(receivables, supplier, callData, nonce);
    }

    function _many() private returns (Terms[] memory terms, Confirmation[] memory confirmations) {
        terms = new Terms[](MANY);
        confirmations = new Confirmation[](MANY);
        for (uint256 i = 0; i < MANY; ++i) {
            terms[i] = _terms();
            confirmations[i] = _confirmation(terms[i]);
        }
    }

    function _measured(string memory operation, uint256 count) private returns (uint256 each) {
        each = _gasUsed() / count;
        emit log_named_uint(operation, each);
    }

    function _gasUsed() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    /// The roots that a consistency proof leads to (RFC 9162, section 2.1.4.2), for an old size that is no power of two.
    function _rootsOf(uint256 oldSize, uint256 newSize, bytes32[] memory proof)
        private
        pure
        returns (bytes32 oldRoot, bytes32 newRoot)
    {
        (uint256 first, uint256 last) = (oldSize - 1, newSize - 1);
        while (first & 1 == 1) {
            (first, last) = (first >> 1, last >> 1);
        }
        (oldRoot, newRoot) = (proof[0], proof[0]);
        for (uint256 i = 1; i < proof.length; ++i) {
            if (first & 1 == 1 || first == last) {
                oldRoot = sha256(abi.encodePacked(uint8(1), proof[i], oldRoot));
                newRoot = sha256(abi.encodePacked(uint8(1), proof[i], newRoot));
                while (first & 1 == 0 && first != 0) {
                    (first, last) = (first >> 1, last >> 1);
                }
            } else {
                newRoot = sha256(abi.encodePacked(uint8(1), newRoot, proof[i]));
            }
            (first, last) = (first >> 1, last >> 1);
        }
    }
}
