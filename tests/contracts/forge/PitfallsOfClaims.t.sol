// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IFingerprints} from "../../../contracts/interfaces/IFingerprints.sol";
import {IReceivables} from "../../../contracts/interfaces/IReceivables.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {OperatorState, Phase} from "../../../contracts/types/Receivable.sol";
import {Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// What went wrong for others with claims that came twice, were forgotten, replayed, late, or left behind; the rest is in
/// Pitfalls.t.sol.
contract PitfallsOfClaimsTest is LedgerTest {
    /// 5. The same invoice again: burnt and minted anew, after it was paid, reduced to nothing, or replaced.
    function test_SameInvoiceAgain_AfterItCameToNothing() public {
        Terms memory paid = _terms();
        _pay(debtor, _issueAndConfirm(paid), FACE);
        _expectTaken(paid);

        Terms memory reduced = _terms();
        _issueAndConfirm(reduced);
        vm.prank(supplier.signer);
        receivables.issueCreditNote(reduced, 0, FACE, "all of it");
        _expectTaken(reduced);

        Terms memory replaced = _terms();
        bytes32 old = _issueAndConfirm(replaced);
        Terms memory corrected = _terms();
        Confirmation memory confirmation = _confirmation(corrected);
        confirmation.signature = _signature(
            debtor.key,
            receivables.confirmationDigest(corrected, old, confirmation.nonce, confirmation.deadline)
        );
        bytes32[] memory fingerprint = new bytes32[](1);
        fingerprint[0] = replaced.fingerprint;
        vm.prank(supplier.signer);
        receivables.replace(replaced, corrected, fingerprint, confirmation);
        _expectTaken(replaced);
        _expectTaken(corrected);
    }

    /// 5. The same invoice again: in another registry, which is another version of this one.
    function test_SameInvoiceAgain_InAnotherVersion() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        IReceivables other = _otherVersion();
        Confirmation memory confirmation = _confirmationIn(other, terms);
        vm.prank(supplier.signer);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFingerprints.FingerprintAlreadyTaken.selector, debtor.account, terms.fingerprint, id
            )
        );
        other.issueAndConfirm(terms, confirmation);
    }

    /// 6. A cancel, close or refund that forgets a debt: what one holder closes leaves the other's, and nobody withdraws what
    /// the debtor signed.
    function test_ForgottenDebt() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        _transfer(supplier, bank, id, FACE / 2);
        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, FACE / 2, "paid by wire");
        (uint64 owed,) = receivables.due(id);
        assertEq(owed, FACE / 2, "still owed");
        bytes[2] memory calls = [
            abi.encodeCall(receivables.cancel, (terms, "forget it")),
            abi.encodeCall(receivables.reject, (terms, "forget it"))
        ];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? supplier.signer : debtor.signer);
            (bool done,) = address(receivables).call(calls[i]);
            assertFalse(done, "forgotten");
        }
        _pay(debtor, id, FACE);
        (uint64 face,) = _redeem(supplier, id);
        assertEq(face, FACE / 2, "the supplier's");
    }

    /// 6. Recourse counted twice: each endorser once, for what came back to it from no one else.
    function test_RecourseCountedTwice() public {
        bytes32 id = _claim();
        Offer memory first = _sellWithRecourse(supplier, bank, id);
        Offer memory second = _sellWithRecourse(bank, otherBank, id);
        vm.warp(block.timestamp + 101 days);
        _perform(bank, second);
        assertEq(_units(bank, id), FACE, "taken back");
        bytes32 sale = financing.offerDigest(second);
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(second, 0, false, type(uint64).max, _noFacts());
        // Sold and come back is not held ever since.
        sale = financing.offerDigest(first);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(first, 0, false, type(uint64).max, _noFacts());
    }

    /// 7. Replay of a signature: again, of another claim or amount, on another contract or chain, after a cancel.
    function test_Replay() public {
        bytes32 id = _claim();
        bytes32 another = _claim();
        IReceivables other = _otherVersion();
        SignedAction memory action = _payment(id, 100, 1);
        receivables.relay(action);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, debtor.signer, 1));
        receivables.relay(action);

        action = _payment(id, 100, 2);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        other.relay(action);
        bytes memory signed = action.callData;
        action.callData = abi.encodeCall(receivables.pay, (another, 100));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.relay(action);
        action.callData = abi.encodeCall(receivables.pay, (id, 101));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.relay(action);
        action.callData = signed;
        action.nonce = 3;
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.relay(action);
        action.nonce = 2;
        // The domain is no cache that outlives a fork.
        uint256 home = block.chainid;
        vm.chainId(home + 1);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.relay(action);
        vm.chainId(home);
        vm.prank(debtor.signer);
        receivables.cancelNonces(0, 1 << 2);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, debtor.signer, 2));
        receivables.relay(action);
        (uint64 owed,) = receivables.due(id);
        assertEq(owed, FACE - 100, "paid once");
    }

    /// 7. ERC-2771 with multicall: a batch within a batch would name its own sender.
    function test_Replay_ByABatchWithinABatch() public {
        bytes32 id = _claim();
        SignedAction[] memory inner = new SignedAction[](1);
        inner[0] = _payment(id, 100, 1);
        SignedAction[] memory outer = new SignedAction[](1);
        outer[0] = inner[0];
        outer[0].callData =
            abi.encodePacked(abi.encodeCall(receivables.relayMany, (inner)), debtor.signer, debtor.signer);
        assertEq(receivables.relayMany(outer), 1, "failures");
        assertFalse(receivables.isNonceUsed(debtor.signer, 1), "used");
    }

    /// 8. Calendar edges: the last second of the due date, a poke, what was already paid, a leap day, and more grace than
    /// anybody lives to see.
    function test_CalendarEdges() public {
        Terms memory terms = _terms();
        (terms.lateRate, terms.graceDays) = (100_000, type(uint16).max);
        bytes32 id = _issueAndConfirm(terms);
        vm.warp(terms.dueEnd);
        assertTrue(receivables.phaseOf(id) == Phase.DueToday, "due today, to its last second");
        _pay(debtor, id, FACE / 2);
        vm.warp(terms.dueEnd + 1);
        assertTrue(receivables.phaseOf(id) == Phase.Overdue, "overdue the second after");

        vm.warp(terms.dueEnd + 100 days);
        vm.prank(supplier.signer);
        receivables.waiveInterest(id, supplier.account, false);
        // April 2027 to April 2028, with the 29th of February: 366 days of 365.
        vm.warp(terms.dueEnd + 366 days);
        (, uint64 interest) = receivables.due(id);
        assertEq(interest, uint256(FACE) / 2 * 366 / 3650, "from the due date, on what is unpaid");

        uint256 end = terms.dueEnd + uint256(type(uint16).max) * 1 days;
        vm.warp(end);
        assertTrue(receivables.phaseOf(id) == Phase.Overdue, "in grace");
        vm.warp(end + 1);
        assertTrue(receivables.phaseOf(id) == Phase.InDefault, "in default");
    }

    /// 11. No limit price on a purchase: the buyer signs the price, the seller the least it takes.
    function test_NoLimitPrice() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.PriceTooLow.selector, offer.price, offer.price + 1));
        financing.accept(offer, offer.price + 1, signature);
        ++offer.price;
        vm.prank(supplier.signer);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        financing.accept(offer, offer.price, signature);
    }

    /// 13. The old deployment left alive after a migration: it takes no new business, and pays out what it owes.
    function test_OldDeployment_LeftAlive() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        bytes memory signature = _signed(bank, offer);
        _otherVersion();
        fingerprints.retireWriter(address(receivables));
        receivables.setOperator(address(financing), OperatorState.WindingDown);

        Terms memory terms = _terms();
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, address(receivables)));
        receivables.issueAndConfirm(terms, confirmation);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NotOperator.selector, address(financing)));
        financing.accept(offer, 0, signature);
        _pay(debtor, id, FACE);
        (uint64 face,) = _redeem(supplier, id);
        assertEq(face, FACE, "paid out");
    }

    /// Whatever else its terms say.
    function _expectTaken(Terms memory terms) private {
        ++terms.dueEnd;
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IFingerprints.FingerprintAlreadyTaken.selector);
        receivables.issueAndConfirm(terms, confirmation);
    }

    /// Another version beside the first, in the same currency, with the same register.
    function _otherVersion() private returns (IReceivables other) {
        other = _deployReceivables();
        other.admitCurrency(address(euro), EUR, 2, 1);
        fingerprints.recordWriter(address(other));
    }

    function _confirmationIn(IReceivables other, Terms memory terms)
        private
        returns (Confirmation memory confirmation)
    {
        confirmation = _confirmation(terms);
        confirmation.signature = _signature(
            debtor.key, other.confirmationDigest(terms, 0, confirmation.nonce, confirmation.deadline)
        );
    }

    function _sellWithRecourse(Actor memory seller, Actor memory buyer, bytes32 id)
        private
        returns (Offer memory offer)
    {
        offer = _offerOf(seller, buyer, id, FACE, FACE / 100 * 97);
        offer.recourse = Recourse.Credit;
        _accept(seller, buyer, offer);
    }

    function _perform(Actor memory seller, Offer memory offer) private {
        vm.prank(seller.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
    }

    function _payment(bytes32 id, uint64 amount, uint256 nonce) private view returns (SignedAction memory) {
        return _signAction(receivables, debtor, abi.encodeCall(receivables.pay, (id, amount)), nonce);
    }
}
