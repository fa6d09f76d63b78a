// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IReceivables} from "../../../contracts/interfaces/IReceivables.sol";
import {Receivable, Status} from "../../../contracts/types/Receivable.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {Crowd} from "./Crowd.sol";
import {Test} from "./Test.sol";

/// What holds whoever calls what in whichever order: 2,048 calls here, 100,000 in `make deep-contracts`.
contract InvariantsTest is Test {
    Crowd private _crowd;
    IReceivables private _receivables;
    IFinancing private _financing;

    function setUp() public {
        _crowd = new Crowd();
        (, _receivables, _financing,) = _crowd.contracts();
    }

    /// Forge calls only this contract.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_crowd);
    }

    /// Forge calls only these functions of it.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(_crowd);
        bytes4[] memory selectors = new bytes4[](16);
        selectors[0] = Crowd.issue.selector;
        selectors[1] = Crowd.transfer.selector;
        selectors[2] = Crowd.sell.selector;
        selectors[3] = Crowd.acknowledgeCash.selector;
        selectors[4] = Crowd.lapse.selector;
        selectors[5] = Crowd.pay.selector;
        selectors[6] = Crowd.redeem.selector;
        selectors[7] = Crowd.wait.selector;
        selectors[8] = Crowd.creditNote.selector;
        selectors[9] = Crowd.closeOutside.selector;
        selectors[10] = Crowd.dispute.selector;
        selectors[11] = Crowd.waiveOrWriteOff.selector;
        selectors[12] = Crowd.recourse.selector;
        selectors[13] = Crowd.releaseReserve.selector;
        selectors[14] = Crowd.suspend.selector;
        selectors[15] = Crowd.attack.selector;
        targets[0].selectors = selectors;
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// The crowd's calls are not all refused, and some of them are sent by a stranger for their signer.
    function test_Crowd_DoesWhatItSays() public {
        for (uint256 i = 1; i < 4; ++i) {
            _crowd.issue(i, 100);
            _crowd.transfer(0, 1, i, 40);
            _crowd.sell(0, 2, i, 20, 19, i - 1);
            _crowd.acknowledgeCash(i - 1);
            _crowd.recourse(i - 1, true);
            _crowd.releaseReserve(i - 1, true);
            _crowd.creditNote(1, i, 10, i);
            _crowd.closeOutside(1, i, 5);
            _crowd.dispute(i, 5, false);
            _crowd.waiveOrWriteOff(2, i, true);
            _crowd.pay(4, i, 50);
            _crowd.redeem(1, i);
        }
        assertEq(_crowd.claims(), 4, "claims");
        assertLe(6, _crowd.relayed(), "relayed");
        bytes4[8] memory done = [
            _receivables.transfer.selector,
            _financing.accept.selector,
            _financing.performRecourse.selector,
            _receivables.issueCreditNote.selector,
            _receivables.closeOutside.selector,
            _receivables.dispute.selector,
            _receivables.pay.selector,
            _receivables.redeem.selector
        ];
        for (uint256 i = 0; i < 8; ++i) {
            assertLe(1, _crowd.successes(done[i]), "each kind of call succeeds");
        }
        invariant_Ledger();
    }

    /// What does not divide goes with the units of a lock: nobody is paid for units of another.
    function test_Crowd_RedeemsALockedShareToTheUnit() public {
        _crowd.issue(96, 166);
        _crowd.sell(0, 2, 1, 96, 96, 2);
        _crowd.pay(3, 1, 59);
        _crowd.pay(3, 1, 107);
        _crowd.acknowledgeCash(0);
        bytes32 id = _crowd.ids(1);
        assertEq(_crowd.unitsOf(id), 166, "units");
        assertEq(uint256(_receivables.statusOf(id)), uint256(Status.Settled), "status");
        invariant_Ledger();
        _crowd.redeem(0, 1);
        assertEq(_crowd.paidOut(id), 70, "of 70 units");
        _crowd.redeem(2, 1);
        assertEq(_crowd.paidOut(id), 166, "of all units");
    }

    /// One campaign looks at all of them after each call.
    function invariant_Ledger() public {
        _nothingForbiddenHappened();
        _faceValueIsConserved();
        _unitsAreThoseOfTheirHolders();
        _cashInIsCashOutAndCashHeld();
        _theLedgerCanPayAllItOwes();
        _takenFingerprintsStayTaken();
    }

    /// Nothing that one account signs changes another's units; only the transitions of the specification; what is owed is
    /// taken from whoever pays; what is redeemed is what was owed, once; a suspended party's units stay; no attack works.
    function _nothingForbiddenHappened() private view {
        assertEq(bytes(_crowd.violation()), "", "violation");
    }

    function _faceValueIsConserved() private view {
        for (uint256 i = 0; i < _crowd.count(); ++i) {
            Receivable memory claim = _receivables.receivable(_crowd.ids(i));
            uint256 parts = uint256(claim.unpaid) + claim.paid + claim.closed + claim.reduced;
            assertEq(parts, claim.face, "unpaid + paid + closed + reduced");
        }
    }

    function _unitsAreThoseOfTheirHolders() private view {
        for (uint256 i = 0; i < _crowd.count(); ++i) {
            bytes32 id = _crowd.ids(i);
            Receivable memory claim = _receivables.receivable(id);
            if (claim.status == Status.Settled) {
                assertLe(_crowd.unitsOf(id), claim.face, "units, of which redeeming takes away");
            } else {
                assertEq(_crowd.unitsOf(id), claim.units, "units");
            }
        }
    }

    function _cashInIsCashOutAndCashHeld() private view {
        uint256 paidIn;
        uint256 paidOut;
        for (uint256 i = 0; i < _crowd.count(); ++i) {
            Receivable memory claim = _receivables.receivable(_crowd.ids(i));
            paidIn += uint256(claim.paid) + claim.interestPaid;
            paidOut += _crowd.paidOut(_crowd.ids(i));
        }
        assertEq(paidIn, paidOut + _crowd.held(address(_receivables)), "cash in");
    }

    function _theLedgerCanPayAllItOwes() private {
        (, bytes memory told) = address(_crowd).call(abi.encodeCall(_crowd.rehearse, ()));
        bytes memory asPromised = abi.encodeWithSelector(Crowd.Rehearsed.selector, 0, 0);
        assertEq(keccak256(told), keccak256(asPromised), "redeemed as promised");
        assertEq(_crowd.reserves(), _crowd.held(address(_financing)), "owed out of reserves");
    }

    function _takenFingerprintsStayTaken() private view {
        for (uint256 i = 0; i < _crowd.claims(); ++i) {
            Terms memory terms = _crowd.termsOf(i);
            bytes32 id = _crowd.registered(terms.debtor, terms.fingerprint);
            assertEq(id, _receivables.idOf(terms), "slot");
        }
    }

    /// However it went, everybody can be paid in the end, and not a minor unit is left or missing.
    function afterInvariant() external {
        _crowd.windUp();
        for (uint256 i = 0; i < _crowd.count(); ++i) {
            Status status = _receivables.statusOf(_crowd.ids(i));
            assertEq(uint256(status), uint256(Status.Settled), "status in the end");
        }
        assertEq(_crowd.held(address(_receivables)), 0, "left in the ledger");
    }
}
