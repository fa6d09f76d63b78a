// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Where the fractions of a minor unit go, on claims so small that they show. Branches: ReceivablesFractions.tree.
contract ReceivablesFractionsTest is LedgerTest {
    /// At a hundred percent a year.
    function _claimOf(uint64 amount) private returns (bytes32 id, Terms memory terms) {
        terms = _terms();
        terms.amount = amount;
        terms.lateRate = 1_000_000;
        id = _issueAndConfirm(terms);
    }

    /// A unit each with the supplier and two banks.
    function _three() private returns (bytes32 id, Terms memory terms) {
        (id, terms) = _claimOf(3);
        _transfer(supplier, bank, id, 1);
        _transfer(supplier, otherBank, id, 1);
    }

    function _sellBack(bytes32 id) private {
        _transfer(bank, supplier, id, 1);
        _transfer(otherBank, supplier, id, 1);
    }

    function _expectNothingDue(Actor memory actor, bytes32 id) private {
        assertEq(receivables.holding(id, actor.account).redeemable, 0, "redeemable");
        assertEq(receivables.holding(id, actor.account).redeemableInterest, 0, "interest");
        vm.prank(actor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NothingDue.selector, id));
        receivables.redeem(id, actor.account);
    }

    function _assertRedeems(Actor memory actor, bytes32 id, uint64 face, uint64 interest) private {
        assertEq(receivables.holding(id, actor.account).redeemable, face, "redeemable");
        assertEq(receivables.holding(id, actor.account).redeemableInterest, interest, "of interest");
        (uint64 actualFace, uint64 actualInterest) = _redeem(actor, id);
        assertEq(actualFace, face, "face");
        assertEq(actualInterest, interest, "interest");
    }

    function test_OfTheFace_JoinThePoolOnce() public {
        (bytes32 id,) = _three();
        _pay(debtor, id, 2);
        _sellBack(id);
        _pay(debtor, id, 1);
        // Two thirds were each bank's, and wait for who still has units.
        _expectNothingDue(bank, id);
        _expectNothingDue(otherBank, id);
        _expectNothingDue(subSupplier, id);
        _assertRedeems(supplier, id, 3, 0);
        assertEq(euro.balanceOf(address(receivables)), 0, "nothing left behind");
    }

    function test_OfInterest_JoinThePoolOnce() public {
        (bytes32 id, Terms memory terms) = _three();
        vm.warp(terms.dueEnd + 365 days);
        _pay(debtor, id, 2);
        _sellBack(id);
        _pay(debtor, id, type(uint64).max);
        _expectNothingDue(bank, id);
        _expectNothingDue(otherBank, id);
        _expectNothingDue(subSupplier, id);
        _assertRedeems(supplier, id, 3, 3);
        assertEq(euro.balanceOf(address(receivables)), 0, "nothing left behind");
    }

    /// Who sold out keeps what came in before, of either kind and without the other.
    function test_WhoSoldOut_RedeemsWholeUnits() public {
        (bytes32 id, Terms memory terms) = _claimOf(64);
        _pay(debtor, id, 16);
        _transfer(supplier, bank, id, 64);
        _assertRedeems(supplier, id, 16, 0);
        _expectNothingDue(supplier, id);

        vm.warp(terms.dueEnd + 365 days);
        _pay(debtor, id, 32);
        _transfer(bank, otherBank, id, 64);
        _assertRedeems(bank, id, 0, 32);
        _expectNothingDue(bank, id);
    }

    function test_OfUnitsThatWereClosed_GoToTheOthers() public {
        (bytes32 id,) = _claimOf(300);
        _transfer(supplier, bank, id, 100);
        _pay(debtor, id, 100);
        // Fifty more, so that its units carry a whole hundred.
        _transfer(supplier, bank, id, 50);
        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, 100, "wire");
        assertEq(_units(bank, id), 0, "all of its units");
        _pay(debtor, id, 100);
        // 66⅔, 100, and the ⅓ that the bank cannot redeem any more.
        _assertRedeems(supplier, id, 167, 0);
        _assertRedeems(bank, id, 33, 0);
        assertEq(euro.balanceOf(address(receivables)), 0, "nothing left behind");
    }

    function test_RedeemMany_PassesOverWhatIsNotDue() public {
        bytes32[] memory ids = new bytes32[](4);
        ids[0] = _claim();
        _pay(debtor, ids[0], FACE);
        // Paid in part, but none of it the supplier's; not paid at all; another's altogether.
        ids[1] = _claim();
        _transfer(supplier, bank, ids[1], FACE);
        _pay(debtor, ids[1], FACE / 2);
        ids[2] = _claim();
        ids[3] = _claim();
        _transfer(supplier, bank, ids[3], FACE);
        _pay(debtor, ids[3], FACE);
        uint256 before = euro.balanceOf(supplier.payout);
        vm.prank(supplier.signer);
        receivables.redeemMany(ids, supplier.account);
        assertEq(euro.balanceOf(supplier.payout) - before, FACE, "the first alone");
    }
}
