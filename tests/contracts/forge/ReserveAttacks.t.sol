// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {Parcel} from "../../../contracts/types/Receivable.sol";
import {Facts, Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Ways for a buyer to keep a deposit from its seller, each named after what must not be possible.
contract ReserveAttacksTest is LedgerTest {
    uint64 private constant PART = FACE / 2;
    uint64 private constant RESERVE = 10_000_00;
    uint64 private constant NOTE = 1000;
    /// Notes after different sales that are told apart, for one buyer of one claim.
    uint256 private constant TOLD_APART = 8;

    Terms private _ours;
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _ours = _terms();
        _id = _issueAndConfirm(_ours);
    }

    /// A buyer that deals with itself, and joins a credit note cent by cent, cannot make another seller's reserve dearer to
    /// release than a block holds.
    function test_Reserve_IsNotMadeTooDearToRelease() public {
        _giveNote(PART, NOTE);
        Offer[] memory baits = new Offer[](205);
        Facts[] memory seen = new Facts[](baits.length);
        for (uint256 i = 0; i < baits.length; ++i) {
            seen[i] = _facts();
            baits[i] = _deferred(otherBank, 1, 1);
            _join(1);
        }
        // The youngest first, which is the cheapest for whoever prepares it.
        for (uint256 i = baits.length; i > 0; --i) {
            _release(baits[i - 1], seen[i - 1], bank);
        }

        Facts memory facts = _facts();
        Offer memory offer = _deferred(subSupplier, PART, RESERVE);
        _join(1);
        _pay(debtor, _id, FACE);
        uint256 before = gasleft();
        financing.releaseReserve(offer, facts, subSupplier.account);
        assertLe(before - gasleft(), 200_000, "gas");
    }

    /// Sales to one buyer with credit notes between them, released in any order: of what came after a sale, no more is ever
    /// made good by it and all later ones together; and in the end no less, as long as their notes are told apart.
    /// forge-config: default.fuzz.runs = 64
    function test_Reserve_NoNoteIsMadeGoodTwice_NorForgotten(uint256 seed, uint8 count) public {
        _giveNote(PART, NOTE);
        uint256 sales = bound(count, 1, 12);
        Offer[] memory offers = new Offer[](sales);
        Facts[] memory seen = new Facts[](sales);
        for (uint256 i = 0; i < sales; ++i) {
            seen[i] = _facts();
            offers[i] = _deferred(otherBank, 20, uint64(_random(seed, i, "reserve") % 20 + 1));
            _join(uint64(_random(seed, i, "note") % 9 + 1));
            _release(offers[_random(seed, i, "sale") % (i + 1)], seen, offers);
            _checkNoneTwice(offers, seen, i + 1);
        }
        uint256 first = _random(seed, 0, "first");
        for (uint256 i = 0; i < sales; ++i) {
            _release(offers[(first + i) % sales], seen, offers);
        }
        _checkNoneTwice(offers, seen, sales);
        if (sales > TOLD_APART) return;
        uint256 all;
        for (uint256 i = sales; i > 0; --i) {
            all += offers[i - 1].reserve;
            uint256 came = receivables.holding(_id, bank.account).reduced - _reducedAt(seen[i - 1]);
            if (all > came) all = came;
        }
        assertEq(_madeGood(offers, 0, sales), all, "all of them");
    }

    /// Released one by one as they come, each sale makes good what came after it, once. Beyond those that are told apart one
    /// may not, but an older one does.
    function test_Reserve_OfMoreSalesThanAreToldApart_ReleasedInOrder() public {
        _giveNote(PART, NOTE);
        uint256 sales = TOLD_APART + 2;
        Offer[] memory offers = new Offer[](sales);
        Facts[] memory seen = new Facts[](sales);
        for (uint256 i = 0; i < sales; ++i) {
            seen[i] = _facts();
            offers[i] = _deferred(otherBank, 20, 20);
            _join(3);
            if (i <= TOLD_APART) _checkPaid(offers[i], seen[i], bank, 3);
            _expectNotDue(offers[i], seen[i], bank);
            _checkNoneTwice(offers, seen, i + 1);
        }
        _checkPaid(offers[0], seen[0], bank, 3);
        for (uint256 i = 0; i < sales; ++i) {
            _expectNotDue(offers[i], seen[i], bank);
        }
        assertEq(_madeGood(offers, 0, sales), 3 * sales, "all of them");
    }

    /// A buyer that kept one unit and marked it has not written off what it sold on, however the offer cut the claim up.
    function test_Reserve_IsNotLostToAMarkOnOneUnit() public {
        Offer memory offer = _offerOf(supplier, bank, _id, FACE, PART);
        offer.parcels = new Parcel[](4);
        for (uint256 i = 0; i < 4; ++i) {
            offer.parcels[i] = Parcel(_id, 1, 1);
        }
        offer.reserve = RESERVE;
        _accept(supplier, bank, offer);
        _transfer(bank, otherBank, _id, 3);
        _markAll();
        _expectNotDue(offer, _noFacts(), bank);
        _pay(debtor, _id, FACE);
        _checkPaid(offer, _noFacts(), supplier, RESERVE);
    }

    /// Two sales, half of what they brought sold on, the other half marked: neither deposit is the buyer's.
    function test_Reserve_OfTwoSales_IsNotLostToTheMarksOfOne() public {
        Offer memory first = _deferred(supplier, PART, RESERVE);
        Offer memory second = _deferred(supplier, PART, RESERVE);
        _transfer(bank, otherBank, _id, PART);
        _markAll();
        _expectNotDue(first, _noFacts(), bank);
        _expectNotDue(second, _noFacts(), bank);
    }

    /// Units bought after the others were marked are not marked.
    function test_Reserve_OfUnitsBoughtAfterTheMark_IsNotTheBuyersYet() public {
        Offer memory first = _deferred(supplier, PART, RESERVE);
        _markAll();
        Offer memory second = _deferred(supplier, PART / 4, RESERVE);
        _expectNotDue(second, _noFacts(), bank);
        _markAll();
        _checkPaid(second, _noFacts(), bank, RESERVE);
        _checkPaid(first, _noFacts(), bank, RESERVE);
    }

    /// What a credit note took cannot be marked any more, and does not keep the rest from the buyer.
    function test_Reserve_OfUnitsThatANoteReduced_IsTheBuyersOnceTheRestIsMarked() public {
        _giveNote(0, 0);
        Offer memory offer = _deferred(otherBank, PART, RESERVE);
        _join(NOTE);
        _markAll();
        _checkPaid(offer, _noFacts(), bank, RESERVE);
    }

    /// What the seller took back and paid for is not the buyer's to write off; nor do notes on the buyer's other units come
    /// out of its deposit.
    function test_Reserve_OfWhatTheSellerTookBack_IsTheSellers() public {
        Offer memory first = _offerOf(supplier, bank, _id, PART, PART);
        (first.recourse, first.reserve) = (Recourse.Credit, RESERVE);
        _accept(supplier, bank, first);
        Offer memory second = _deferred(supplier, PART, RESERVE);
        _pay(debtor, _id, PART);
        vm.warp(block.timestamp + 101 days);
        vm.prank(supplier.signer);
        financing.performRecourse(first, 0, false, type(uint64).max, _noFacts());
        vm.prank(supplier.signer);
        receivables.issueCreditNote(_ours, 0, PART / 2 + 100, "note");
        _join(100);
        _markAll();
        _expectNotDue(first, _noFacts(), bank);
        _checkPaid(first, _noFacts(), supplier, RESERVE / 2);
        _checkPaid(second, _noFacts(), bank, RESERVE);
    }

    /// Parts of the claim to the second-tier supplier and to the bank, the rest to the other bank, and a credit note that
    /// all of it waits for consent to.
    function _giveNote(uint64 second, uint64 banks) private {
        if (second != 0) _transfer(supplier, subSupplier, _id, second);
        if (banks != 0) _transfer(supplier, bank, _id, banks);
        _transfer(supplier, otherBank, _id, FACE - second - banks);
        vm.prank(supplier.signer);
        receivables.issueCreditNote(_ours, 0, NOTE, "note");
    }

    /// A sale to the bank of so many units, part of whose price is deferred.
    function _deferred(Actor memory seller, uint64 units, uint64 reserve)
        private
        returns (Offer memory offer)
    {
        offer = _offerOf(seller, bank, _id, units, units);
        offer.parcels[0].minUnpaid = units / 2 + 1;
        offer.reserve = reserve;
        _accept(seller, bank, offer);
    }

    /// What a sale to the bank would be recorded with now.
    function _facts() private view returns (Facts memory facts) {
        uint64 reduced = receivables.holding(_id, bank.account).reduced;
        if (reduced == 0) return facts;
        (facts.sent, facts.reduced) = (new uint64[](1), new uint64[](1));
        facts.sent[0] = receivables.holding(_id, bank.account).sent;
        facts.reduced[0] = reduced;
    }

    /// Another part of the credit note, on the bank's units.
    function _join(uint64 amount) private {
        vm.prank(bank.signer);
        receivables.joinCreditNote(_id, bank.account, "note", amount);
    }

    /// The bank marks all it holds as written off.
    function _markAll() private {
        vm.warp(_ours.dueEnd + uint256(_ours.graceDays) * 1 days + 1);
        vm.prank(bank.signer);
        receivables.writeOff(_id, bank.account);
    }

    /// Pays the bank what is due to it, if there is any.
    function _release(Offer memory offer, Facts memory facts, Actor memory to) private {
        (bool done, bytes memory reason) =
            address(financing).call(abi.encodeCall(financing.releaseReserve, (offer, facts, to.account)));
        assertTrue(done || bytes4(reason) == IFinancing.ReserveNotDue.selector, "nothing due");
    }

    /// The same, of one of several sales.
    function _release(Offer memory offer, Facts[] memory seen, Offer[] memory offers) private {
        for (uint256 i = 0; i < offers.length; ++i) {
            if (offers[i].salt == offer.salt) _release(offer, seen[i], bank);
        }
    }

    function _expectNotDue(Offer memory offer, Facts memory facts, Actor memory to) private {
        bytes32 sale = financing.offerDigest(offer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.ReserveNotDue.selector, sale, to.account));
        financing.releaseReserve(offer, facts, to.account);
    }

    function _checkPaid(Offer memory offer, Facts memory facts, Actor memory to, uint64 amount) private {
        uint256 before = euro.balanceOf(to.payout);
        financing.releaseReserve(offer, facts, to.account);
        assertEq(euro.balanceOf(to.payout) - before, amount, "paid out");
    }

    function _checkNoneTwice(Offer[] memory offers, Facts[] memory seen, uint256 count) private view {
        uint64 reduced = receivables.holding(_id, bank.account).reduced;
        for (uint256 i = 0; i < count; ++i) {
            assertLe(_madeGood(offers, i, count), reduced - _reducedAt(seen[i]), "made good since a sale");
        }
    }

    /// What the reserves of the sales from one on made good.
    function _madeGood(Offer[] memory offers, uint256 from, uint256 to) private view returns (uint256 sum) {
        for (uint256 i = from; i < to; ++i) {
            sum += offers[i].reserve - financing.reserveOf(financing.offerDigest(offers[i])).open;
        }
    }

    function _reducedAt(Facts memory facts) private pure returns (uint64) {
        return facts.reduced.length == 0 ? 0 : facts.reduced[0];
    }

    function _random(uint256 seed, uint256 i, string memory what) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i, what)));
    }
}
