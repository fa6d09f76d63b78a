// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IReceivables} from "../../../contracts/interfaces/IReceivables.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {Receivable, Status} from "../../../contracts/types/Receivable.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {Crowd} from "./Crowd.sol";
import {Test} from "./Test.sol";

/// What holds whoever calls what in whichever order. `make deep-invariants` makes a hundred thousand calls; Forge prints
/// the seed.
contract InvariantsTest is Test {
    Crowd private _crowd;
    IReceivables private _receivables;
    IFinancing private _financing;
    TestCurrency private _euro;

    function setUp() public {
        _crowd = new Crowd();
        (, _receivables, _financing, _euro) = _crowd.contracts();
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

    function invariant_NothingForbiddenHappened() public view {
        assertEq(bytes(_crowd.violation()), "", "violation");
    }

    function invariant_FaceValueIsConserved() public view {
        for (uint256 i = 0; i < _crowd.count(); ++i) {
            Receivable memory claim = _receivables.receivable(_crowd.ids(i));
            uint256 parts = uint256(claim.unpaid) + claim.paid + claim.closed + claim.reduced;
            assertEq(parts, claim.face, "unpaid + paid + closed + reduced");
        }
    }

    function invariant_UnitsAreThoseOfTheirHolders() public view {
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

    function invariant_CashInIsCashOutAndCashHeld() public view {
        uint256 paidIn;
        for (uint256 i = 0; i < _crowd.count(); ++i) {
            Receivable memory claim = _receivables.receivable(_crowd.ids(i));
            paidIn += uint256(claim.paid) + claim.interestPaid;
        }
        assertEq(paidIn, _crowd.paidOut() + _euro.balanceOf(address(_receivables)), "cash in");
    }

    function invariant_TheLedgerCanPayAllItOwes() public view {
        uint256 owed;
        for (uint256 i = 0; i < _crowd.count(); ++i) {
            owed += _crowd.redeemableOf(_crowd.ids(i));
        }
        assertLe(owed, _euro.balanceOf(address(_receivables)), "owed to holders");
    }

    function invariant_TakenFingerprintsStayTaken() public view {
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
        assertEq(_euro.balanceOf(address(_receivables)), 0, "left in the ledger");
    }
}
