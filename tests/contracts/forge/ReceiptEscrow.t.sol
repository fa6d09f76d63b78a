// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ProvenanceLog} from "../../../contracts/ProvenanceLog.sol";
import {LedgerEvidence} from "../../../contracts/examples/LedgerEvidence.sol";
import {ReceiptEscrow} from "../../../contracts/examples/ReceiptEscrow.sol";
import {ILedgerEvidence} from "../../../contracts/examples/ILedgerEvidence.sol";
import {IReceivables} from "../../../contracts/interfaces/IReceivables.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// Title as the ledger answers for it.
contract TitleStub {
    uint64 private immutable _units;

    constructor(uint64 units) {
        _units = units;
    }

    function balanceOf(address, uint256) external view returns (uint256) {
        return _units;
    }

    function freeUnits(bytes32, address) external view returns (uint64) {
        return _units;
    }
}

contract ReceiptEscrowTest is Test {
    bytes private constant DESPATCH = '"urn:epcglobal:cbv:bt:4012345000009:DA-12"';
    address private _funder = address(0xF00D);
    address private _seller = address(0x5E11);
    address private _buyer = address(0xB0B);
    ProvenanceLog private _log;
    LedgerEvidence private _evidence;
    ReceiptEscrow private _escrow;
    TestCurrency private _money;
    ILedgerEvidence.Field private _step;
    ILedgerEvidence.Field private _despatch;

    function setUp() public {
        vm.warp(1_800_000_000);
        _log = new ProvenanceLog(address(new AccessManager(address(this))));
        _log.setAnchorer(address(this), true);
        _evidence = new LedgerEvidence(_log, IReceivables(address(new TitleStub(70))));
        _escrow = new ReceiptEscrow(_evidence);
        _money = new TestCurrency("Money", "M", 2);
        _money.mint(_funder, 1000);
        vm.prank(_funder);
        _money.approve(address(_escrow), 1000);
    }

    function test_Release_PaysOnTheBuyersReceipt() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(70);
        ILedgerEvidence.LoggedEvent memory logged = _anchored(_buyer, "receiving");
        _escrow.release(agreed, logged, _step, _despatch);
        assertEq(_money.balanceOf(_seller), 1000, "the seller is paid");

        vm.expectRevert(
            abi.encodeWithSelector(ReceiptEscrow.NoDeposit.selector, keccak256(abi.encode(agreed)))
        );
        _escrow.release(agreed, logged, _step, _despatch);
    }

    function test_Release_NotOnTheSellersWord() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(70);
        ILedgerEvidence.LoggedEvent memory logged = _anchored(_seller, "receiving");
        vm.expectRevert(abi.encodeWithSelector(ReceiptEscrow.NotTheBuyers.selector, _seller));
        _escrow.release(agreed, logged, _step, _despatch);
    }

    function test_Release_NotOnAnotherStepOrDespatch() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(70);
        ILedgerEvidence.LoggedEvent memory logged = _anchored(_buyer, "shipping");
        vm.expectRevert(ReceiptEscrow.NotAReceipt.selector);
        _escrow.release(agreed, logged, _step, _despatch);

        ILedgerEvidence.Field memory other = _despatch;
        other.value = '"urn:epcglobal:cbv:bt:4012345000009:DA-13"';
        vm.expectRevert(ReceiptEscrow.NotAReceipt.selector);
        _escrow.release(agreed, logged, _step, other);
    }

    function test_Release_NotForAFieldThatIsNotTheEvents() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(70);
        ILedgerEvidence.LoggedEvent memory logged = _anchored(_buyer, "shipping");
        ILedgerEvidence.Field memory forged = _step;
        forged.value = '"receiving"';
        vm.expectRevert(ReceiptEscrow.NotAReceipt.selector);
        _escrow.release(agreed, logged, forged, _despatch);
    }

    function test_Release_NotForALeafThatIsNotInTheLog() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(70);
        ILedgerEvidence.LoggedEvent memory logged = _anchored(_buyer, "receiving");
        logged.leaf[60] = bytes1(uint8(logged.leaf[60]) ^ 1);
        vm.expectRevert(ILedgerEvidence.NotRecorded.selector);
        _escrow.release(agreed, logged, _step, _despatch);
        logged.leaf = hex"01";
        vm.expectRevert(ILedgerEvidence.NotRecorded.selector);
        _escrow.release(agreed, logged, _step, _despatch);
    }

    function test_Release_NotWithoutTitle() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(71);
        ILedgerEvidence.LoggedEvent memory logged = _anchored(_buyer, "receiving");
        vm.expectRevert(abi.encodeWithSelector(ReceiptEscrow.TitleMissing.selector, uint64(70)));
        _escrow.release(agreed, logged, _step, _despatch);
    }

    function test_TakeBack_OnlyLateAndByTheFunder() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(70);
        vm.expectRevert(ReceiptEscrow.NotYours.selector);
        vm.prank(_funder);
        _escrow.takeBack(agreed);
        vm.warp(agreed.deadline + 1);
        vm.expectRevert(ReceiptEscrow.NotYours.selector);
        _escrow.takeBack(agreed);
        vm.prank(_funder);
        _escrow.takeBack(agreed);
        assertEq(_money.balanceOf(_funder), 1000, "the money is back");
    }

    function test_Deposit_OnceAndByTheFunder() public {
        ReceiptEscrow.Agreement memory agreed = _deposited(70);
        vm.prank(_funder);
        vm.expectRevert(abi.encodeWithSelector(ReceiptEscrow.Exists.selector, keccak256(abi.encode(agreed))));
        _escrow.deposit(agreed);
        vm.expectRevert(ReceiptEscrow.NotYours.selector);
        _escrow.deposit(agreed);
    }

    /// Salted fields as `backend/kit/disclosure.py` commits to them; the vector is made by it.
    function test_HasField_AsTheBackendMakesThem() public view {
        ILedgerEvidence.Field memory field = ILedgerEvidence.Field({
            name: "/bizStep",
            value: '"receiving"',
            salt: bytes16(0x01010101010101010101010101010101),
            siblings: new bytes32[](2)
        });
        field.siblings[1] = 0x15a666311b604e082907d9ac6729fcbd05e7686e84b34fb6b84f8e21e5144e9e;
        bytes32 root = 0xbe8eaf61c566efe24bf7d59f971bc436f975ae8162092f39ba2503bdfb1edfa5;
        assertTrue(_evidence.hasField(root, field), "the field is the event's");
        field.value = '"shipping"';
        assertFalse(_evidence.hasField(root, field), "another value is not");
    }

    function _deposited(uint64 units) private returns (ReceiptEscrow.Agreement memory agreed) {
        agreed = ReceiptEscrow.Agreement({
            funder: _funder,
            seller: _seller,
            token: IERC20(address(_money)),
            amount: 1000,
            buyer: _buyer,
            despatch: DESPATCH,
            receivable: "id",
            funderAccount: address(0xACC),
            units: units,
            deadline: uint64(block.timestamp + 30 days)
        });
        vm.prank(_funder);
        _escrow.deposit(agreed);
    }

    /// An event of two fields, recorded for `recorder`, second of two leaves under an anchored head.
    function _anchored(address recorder, string memory step)
        private
        returns (ILedgerEvidence.LoggedEvent memory logged)
    {
        bytes32 root = _fields(abi.encodePacked('"', step, '"'));
        logged.leaf = abi.encodePacked(
            bytes1(0x01),
            _log.logId(),
            uint64(1),
            recorder,
            bytes32("key"),
            uint64(block.timestamp * 1000),
            bytes32("cbv"),
            bytes32("body"),
            uint32(0),
            root
        );
        bytes32 first = sha256("somebody else's leaf");
        bytes32 second = sha256(abi.encodePacked(bytes1(0x00), logged.leaf));
        logged.auditPath = new bytes32[](1);
        logged.auditPath[0] = first;
        _log.anchor(sha256(abi.encodePacked(bytes1(0x01), first, second)), 2, new bytes32[](0), "map");
    }

    /// The root of `/bizStep` and `/bizTransactionList/0/bizTransaction`, whose proofs are kept.
    function _fields(bytes memory step) private returns (bytes32) {
        string memory other = "/bizTransactionList/0/bizTransaction";
        (bytes32 a, bytes32 keyA) = _leaf("/bizStep", step, bytes16("salt a"));
        (bytes32 b, bytes32 keyB) = _leaf(other, DESPATCH, bytes16("salt b"));
        bytes32[] memory siblingsA = new bytes32[](_shared(keyA, keyB) + 1);
        bytes32[] memory siblingsB = new bytes32[](siblingsA.length);
        siblingsA[siblingsA.length - 1] = b;
        siblingsB[siblingsB.length - 1] = a;
        _step = ILedgerEvidence.Field("/bizStep", step, bytes16("salt a"), siblingsA);
        _despatch = ILedgerEvidence.Field(other, DESPATCH, bytes16("salt b"), siblingsB);
        bytes32 node;
        for (uint256 level = siblingsA.length; level > 0; --level) {
            bytes32 sibling = siblingsA[level - 1];
            bytes32 own = level == siblingsA.length ? a : node;
            bool right = uint256(keyA) >> (256 - level) & 1 == 1;
            node = right
                ? sha256(abi.encodePacked(bytes1(0x03), sibling, own))
                : sha256(abi.encodePacked(bytes1(0x03), own, sibling));
        }
        return node;
    }

    function _leaf(string memory name, bytes memory value, bytes16 salt)
        private
        pure
        returns (bytes32, bytes32)
    {
        bytes32 key = sha256(abi.encodePacked("tallystick field name v1\x00", name));
        bytes32 commitment = sha256(abi.encodePacked("tallystick field value v1\x00", salt, value));
        return (sha256(abi.encodePacked(bytes1(0x02), key, commitment)), key);
    }

    function _shared(bytes32 one, bytes32 other) private pure returns (uint256 bits) {
        while (uint256(one) >> (255 - bits) == uint256(other) >> (255 - bits)) ++bits;
    }
}
