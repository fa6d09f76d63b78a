// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {
    GRANT_BY_CURRENCY,
    ROLE_DEBTOR,
    ROLE_FUNDER,
    ROLE_RECORDER,
    ROLE_SUPPLIER,
    SCOPE_ADJUST,
    SCOPE_ALL,
    SCOPE_BUY,
    SCOPE_CONFIRM,
    SCOPE_ISSUE,
    SCOPE_PAY,
    SCOPE_REDEEM,
    SCOPE_SELL,
    SCOPE_TRANSFER,
    UNLIMITED
} from "../../../contracts/types/Account.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {SaleTest} from "./SaleTest.sol";
import {vm} from "./Vm.sol";

/// Each action needs one scope, and counts one amount against the limit of whoever has it. Branches: Scopes.tree.
contract ScopesTest is SaleTest {
    uint64 private constant PART = 1000;

    Actor private _clerk;

    function setUp() public override {
        super.setUp();
        _clerk.key = uint256(keccak256("clerk"));
        _clerk.signer = vm.addr(_clerk.key);
        (_clerk.account, _clerk.payout) = (supplier.account, _clerk.signer);
        _fund(_clerk, euro);
    }

    /// @param amount What the action is for; zero if no limit applies.
    function _expectOnly(Actor memory owner, uint16 scope, uint64 amount, address target, bytes memory data)
        private
    {
        uint256 clean = vm.snapshotState();
        _grant(owner, SCOPE_ALL ^ scope, UNLIMITED);
        _expectRefusal(target, data, IParticipants.NotAuthorised.selector);
        vm.revertToState(clean);

        clean = vm.snapshotState();
        _grant(owner, scope, amount == 0 ? 0 : amount - 1);
        if (amount != 0) _expectRefusal(target, data, IParticipants.AboveLimit.selector);
        vm.revertToState(clean);

        _grant(owner, scope, amount);
        vm.prank(_clerk.signer);
        (bool done,) = target.call(data);
        assertTrue(done, "done by a key of this scope alone");
    }

    /// A key with a limit in euro, and none in any other currency.
    function _grant(Actor memory owner, uint16 scopes, uint64 limit) private {
        bytes32 key = bytes32(uint256(uint160(_clerk.signer)));
        (uint32 currency,) = receivables.currencyOf(address(euro));
        vm.startPrank(owner.signer);
        participants.grantKey(owner.account, key, scopes, GRANT_BY_CURRENCY, 0, type(uint40).max, 0, 0);
        participants.limitKey(owner.account, key, currency, limit, UNLIMITED);
        vm.stopPrank();
    }

    function _expectRefusal(address target, bytes memory data, bytes4 selector) private {
        vm.prank(_clerk.signer);
        vm.expectPartialRevert(selector);
        (bool reverted,) = target.call(data);
        assertTrue(reverted, "it refuses");
    }

    function _onReceivables(Actor memory owner, uint16 scope, uint64 amount, bytes memory data) private {
        _expectOnly(owner, scope, amount, address(receivables), data);
    }

    function _onFinancing(Actor memory owner, uint16 scope, uint64 amount, bytes memory data) private {
        _expectOnly(owner, scope, amount, address(financing), data);
    }

    /// From its first second to the one before its last, for what asks for one side, for both of a claim and of a sale.
    function test_AKey_IsGoodForItsTimeAlone() public {
        uint40 now_ = uint40(block.timestamp);
        (uint40 from, uint40 until) = (now_ + 1 hours, now_ + 2 hours);
        vm.prank(supplier.signer);
        participants.grantKey(
            supplier.account,
            bytes32(uint256(uint160(_clerk.signer))),
            SCOPE_ALL,
            0,
            from,
            until,
            UNLIMITED,
            UNLIMITED
        );
        Offer memory offer = _offer(_id);
        Terms memory terms = _terms();
        address[3] memory targets = [address(receivables), address(receivables), address(financing)];
        bytes[3] memory calls = [
            abi.encodeCall(receivables.closeOutside, (_id, supplier.account, 1, "cash")),
            abi.encodeCall(receivables.issueAndConfirm, (terms, _confirmation(terms))),
            abi.encodeCall(financing.accept, (offer, 0, _signed(bank, offer)))
        ];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 clean = vm.snapshotState();
            vm.warp(from - 1);
            _expectRefusal(targets[i], calls[i], IParticipants.NotAuthorised.selector);
            vm.warp(until);
            _expectRefusal(targets[i], calls[i], IParticipants.NotAuthorised.selector);
            for (uint256 j = 0; j < 2; ++j) {
                vm.warp(j == 0 ? from : until - 1);
                vm.prank(_clerk.signer);
                (bool done,) = targets[i].call(calls[i]);
                assertTrue(done, "within its time");
                vm.revertToState(clean);
                clean = vm.snapshotState();
            }
        }
    }

    /// What one role lets an account begin, no other does.
    function test_NewBusiness_NeedsItsOwnRole() public {
        uint16[4] memory roles = [ROLE_SUPPLIER, ROLE_DEBTOR, ROLE_FUNDER, ROLE_RECORDER];
        for (uint256 i = 0; i < 4; ++i) {
            uint256 clean = vm.snapshotState();
            Actor memory actor = _actor(string(abi.encodePacked("actor", i)), roles[i]);
            Terms memory terms = _terms();
            terms.supplier = actor.account;
            Confirmation memory confirmation = _confirmation(terms);
            vm.prank(actor.signer);
            if (i != 0) vm.expectPartialRevert(IParticipants.NotAdmitted.selector);
            receivables.issueAndConfirm(terms, confirmation);
            terms = _terms();
            terms.debtor = actor.account;
            confirmation = _confirmationBy(actor, terms, 1);
            vm.prank(supplier.signer);
            if (i != 1) vm.expectPartialRevert(IParticipants.NotAdmitted.selector);
            receivables.issueAndConfirm(terms, confirmation);
            Offer memory offer = _offerOf(supplier, actor, _id, PART, PART);
            bytes memory signature = _signed(actor, offer);
            vm.prank(supplier.signer);
            if (i != 2) vm.expectPartialRevert(IParticipants.NotAdmitted.selector);
            financing.accept(offer, 0, signature);
            vm.revertToState(clean);
        }
    }

    /* ISSUE, CONFIRM */

    function test_Issue_Cancel() public {
        Terms memory terms = _terms();
        _onReceivables(supplier, SCOPE_ISSUE, FACE, abi.encodeCall(receivables.issue, (terms)));
        _onReceivables(supplier, SCOPE_ISSUE, FACE, abi.encodeCall(receivables.cancel, (terms, "")));
    }

    /// However little it is for, one after the other or many at once.
    function test_OfOneMinorUnit_NoKeyWithoutScope() public {
        Terms[] memory terms = new Terms[](1);
        terms[0] = _terms();
        terms[0].amount = 1;
        Confirmation[] memory signed = new Confirmation[](1);
        signed[0] = _confirmation(terms[0]);
        bytes4 refused = IParticipants.NotAuthorised.selector;
        address target = address(receivables);
        _expectRefusal(target, abi.encodeCall(receivables.issue, (terms[0])), refused);
        _expectRefusal(target, abi.encodeCall(receivables.issueMany, (terms)), refused);
        _expectRefusal(target, abi.encodeCall(receivables.issueAndConfirm, (terms[0], signed[0])), refused);
        _expectRefusal(target, abi.encodeCall(receivables.issueAndConfirmMany, (terms, signed)), refused);

        vm.prank(supplier.signer);
        receivables.issue(terms[0]);
        signed[0] = _confirmationBy(_clerk, terms[0], 78);
        _expectRefusal(target, abi.encodeCall(receivables.confirm, (terms[0], signed[0])), refused);
        _expectRefusal(target, abi.encodeCall(receivables.confirmMany, (terms, signed)), refused);
    }

    function test_IssueAndConfirm() public {
        Terms memory terms = _terms();
        bytes memory data = abi.encodeCall(receivables.issueAndConfirm, (terms, _confirmation(terms)));
        _onReceivables(supplier, SCOPE_ISSUE, FACE, data);
    }

    function test_Confirm_Reject() public {
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        receivables.issue(terms);
        uint256 clean = vm.snapshotState();
        _onReceivables(debtor, SCOPE_CONFIRM, FACE, abi.encodeCall(receivables.reject, (terms, "")));
        vm.revertToState(clean);
        Confirmation memory confirmation = _confirmationBy(_clerk, terms, 77);
        bytes memory data = abi.encodeCall(receivables.confirm, (terms, confirmation));
        _onReceivables(debtor, SCOPE_CONFIRM, FACE, data);
    }

    function test_Replace_NeedsBoth() public {
        Terms memory terms = _terms();
        bytes32[] memory slots = new bytes32[](1);
        slots[0] = _terms1.fingerprint;
        Confirmation memory confirmation = _confirmation(terms);
        bytes32 digest = receivables.confirmationDigest(terms, _id, confirmation.nonce, confirmation.deadline);
        confirmation.signature = _signature(debtor.key, digest);
        uint256 clean = vm.snapshotState();
        bytes memory data = abi.encodeCall(receivables.replace, (_terms1, terms, slots, confirmation));
        _onReceivables(supplier, SCOPE_ISSUE, FACE, data);
        vm.revertToState(clean);

        (confirmation.signer, confirmation.signature) = (_clerk.signer, _signature(_clerk.key, digest));
        data = abi.encodeCall(receivables.replace, (_terms1, terms, slots, confirmation));
        _grant(supplier, SCOPE_ALL, UNLIMITED);
        _onReceivables(debtor, SCOPE_CONFIRM, FACE, data);
    }

    function test_Dispute_EndDispute() public {
        bytes memory data = abi.encodeCall(receivables.dispute, (_terms1, PART, "damaged"));
        _onReceivables(debtor, SCOPE_CONFIRM, PART, data);
        data = abi.encodeCall(receivables.endDispute, (_terms1, 1));
        _onReceivables(debtor, SCOPE_CONFIRM, PART, data);
    }

    /* TRANSFER */

    function test_Transfer_AllowReceipt() public {
        bytes memory data = abi.encodeCall(receivables.transfer, (_id, supplier.account, bank.account, PART));
        _onReceivables(supplier, SCOPE_TRANSFER, PART, data);
        data = abi.encodeCall(receivables.allowReceipt, (_id, bank.account, PART));
        _onReceivables(bank, SCOPE_TRANSFER, PART, data);
    }

    /* PAY, REDEEM */

    function test_PayAsDebtor() public {
        bytes memory data = abi.encodeCall(receivables.payAsDebtor, (_terms1, 0, PART));
        _onReceivables(debtor, SCOPE_PAY, PART, data);
    }

    function test_Redeem_WhatIsSettled() public {
        bytes memory data = abi.encodeCall(receivables.redeem, (_id, supplier.account));
        _pay(debtor, _id, FACE);
        _onReceivables(supplier, SCOPE_REDEEM, 0, data);
    }

    function test_Redeem_WhatIsPaidInPart() public {
        bytes memory data = abi.encodeCall(receivables.redeem, (_id, supplier.account));
        _pay(debtor, _id, PART);
        _onReceivables(supplier, SCOPE_REDEEM, 0, data);
    }

    function test_RedeemMany() public {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = _id;
        _pay(debtor, _id, PART);
        bytes memory data = abi.encodeCall(receivables.redeemMany, (ids, supplier.account));
        _onReceivables(supplier, SCOPE_REDEEM, 0, data);
    }

    /* CREDIT NOTES, CLOSING OUTSIDE, INTEREST, WRITE-OFF */

    function test_IssueCreditNote_JoinCreditNote() public {
        _transfer(supplier, bank, _id, FACE - PART);
        bytes memory data = abi.encodeCall(receivables.issueCreditNote, (_terms1, 0, 3 * PART, "note"));
        _onReceivables(supplier, SCOPE_ISSUE, 3 * PART, data);
        data = abi.encodeCall(receivables.joinCreditNote, (_id, bank.account, "note", PART));
        _onReceivables(bank, SCOPE_ADJUST, PART, data);
    }

    function test_CloseOutside() public {
        bytes memory data = abi.encodeCall(receivables.closeOutside, (_id, supplier.account, PART, "cash"));
        _onReceivables(supplier, SCOPE_ADJUST, PART, data);
    }

    function test_WaiveInterest() public {
        _transfer(supplier, bank, _id, PART);
        bytes memory data = abi.encodeCall(receivables.waiveInterest, (_id, bank.account, true));
        _onReceivables(bank, SCOPE_ADJUST, PART, data);
    }

    function test_WriteOff() public {
        _transfer(supplier, bank, _id, PART);
        vm.warp(_defaultTime() + 1);
        bytes memory data = abi.encodeCall(receivables.writeOff, (_id, bank.account));
        _onReceivables(bank, SCOPE_ADJUST, PART, data);
    }

    /* SALES */

    function test_Accept_CountsTheLargerOfUnitsAndPrice() public {
        Offer memory offer = _offer(_id);
        bytes memory data = abi.encodeCall(financing.accept, (offer, 0, _signed(bank, offer)));
        uint256 clean = vm.snapshotState();
        _onFinancing(supplier, SCOPE_SELL, FACE, data);
        vm.revertToState(clean);
        offer.price = FACE + PART;
        data = abi.encodeCall(financing.accept, (offer, 0, _signed(bank, offer)));
        _onFinancing(supplier, SCOPE_SELL, FACE + PART, data);
    }

    function test_Accept_TheBuyersKeyIsForThePrice() public {
        Offer memory offer = _offer(_id);
        offer.signer = _clerk.signer;
        bytes memory signature = _signature(_clerk.key, financing.offerDigest(offer));
        // The seller accepts by its own key, which here is the clerk's, too.
        bytes memory data = abi.encodeCall(financing.accept, (offer, 0, signature));
        vm.prank(supplier.signer);
        participants.grantKey(
            supplier.account,
            bytes32(uint256(uint160(_clerk.signer))),
            SCOPE_SELL,
            0,
            0,
            type(uint40).max,
            UNLIMITED,
            UNLIMITED
        );
        _onFinancing(bank, SCOPE_BUY, offer.price, data);
    }

    function test_CancelOffer() public {
        bytes memory data = abi.encodeCall(financing.cancelOffer, (_offer(_id)));
        _onFinancing(bank, SCOPE_BUY, 0, data);
    }

    function test_AcknowledgeCash() public {
        (Offer memory offer,) = _cashSale();
        bytes memory data = abi.encodeCall(financing.acknowledgeCash, (offer, "reference"));
        _onFinancing(supplier, SCOPE_SELL, offer.price, data);
    }

    function test_DemandWarranty_AnswerWarranty() public {
        (Offer memory offer,) = _sale(Recourse.WarrantyOnly, 0);
        bytes memory data = abi.encodeCall(financing.demandWarranty, (offer, 0, "evidence"));
        _onFinancing(bank, SCOPE_ADJUST, FACE, data);
        data = abi.encodeCall(financing.answerWarranty, (offer, 0, true, "answer"));
        _onFinancing(supplier, SCOPE_ADJUST, FACE, data);
    }

    function test_PerformRecourse() public {
        (Offer memory offer,) = _sale(Recourse.Credit, 0);
        vm.warp(_defaultTime() + 1);
        bytes memory data =
            abi.encodeCall(financing.performRecourse, (offer, 0, false, type(uint64).max, _noFacts()));
        _onFinancing(supplier, SCOPE_PAY, offer.repurchasePrice, data);
    }
}
