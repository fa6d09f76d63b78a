// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {Holding, Parcel, Receivable} from "../../../contracts/types/Receivable.sol";
import {Facts, Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Confirmation, PaymentOrder, Terms, Undertaking} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";
import {Witness} from "./Witness.sol";

/// Everybody who might call, with everything they might call, in any order and often where they may not; every third call
/// that can be signed for is signed and sent by a stranger. Claims are in currencies of 2, 6 and 18 decimals.
contract Crowd is Witness {
    uint256 private constant MOST_CLAIMS = 5;

    constructor() {
        LedgerTest.setUp();
        _actors[0] = supplier;
        _actors[1] = subSupplier;
        _actors[2] = bank;
        _actors[3] = otherBank;
        _actors[4] = debtor;
        _currencies =
            [euro, new TestCurrency("Euro of 6", "e6", 6), new TestCurrency("Euro of 18", "e18", 18)];
        for (uint256 i = 1; i < 3; ++i) {
            receivables.admitCurrency(address(_currencies[i]), EUR, 2, 1);
            for (uint256 j = 0; j < 5; ++j) {
                _fund(_actors[j], _currencies[i]);
                _currencies[i].mint(_actors[j].signer, WEALTH * _scale(i));
            }
        }
        issue(0, 0);
    }

    function setUp() public override {}

    /* THE ORDINARY COURSE */

    function issue(uint256 seed, uint64 amount) public watched(1) {
        if (_claims.length == MOST_CLAIMS) return;
        Terms memory terms = _terms();
        terms.amount = uint64(bound(amount, 1, 200));
        terms.lateRate = uint24(bound(seed, 0, 200_000));
        terms.undertaking = Undertaking(seed % 2);
        terms.paymentOrder = PaymentOrder(seed / 2 % 2);
        terms.token = address(_currencies[seed % 3]);
        Confirmation memory confirmation = _confirmation(terms);
        if (_try(
                supplier.signer,
                address(receivables),
                abi.encodeCall(receivables.issueAndConfirm, (terms, confirmation))
            )) {
            _claims.push(terms);
            ids.push(receivables.idOf(terms));
        }
    }

    function transfer(uint256 who, uint256 to, uint256 which, uint64 units) external {
        Actor memory from = _actors[who % 5];
        Actor memory receiver = _actors[to % 5];
        bytes memory call = abi.encodeCall(
            receivables.transfer, (_id(which), from.account, receiver.account, uint64(bound(units, 0, 210)))
        );
        _watch(_bit(who) | _bit(to), from.signer, address(receivables), call);
    }

    function sell(uint256 who, uint256 to, uint256 which, uint64 units, uint64 price, uint256 how) external {
        Actor memory seller = _actors[who % 5];
        Actor memory buyer = _actors[to % 5];
        Offer memory offer =
            _offerOf(seller, buyer, _id(which), uint64(bound(units, 1, 210)), uint64(bound(price, 1, 300)));
        offer.token = _tokenOf(offer.parcels[0].id);
        offer.parcels[0].minUnpaid = uint64(bound(price, 1, offer.parcels[0].units));
        offer.recourse = Recourse(how % 2);
        if (how % 3 == 1) offer.reserve = offer.price / 3;
        if (how % 3 == 2) offer.lockTime = uint32(bound(how, 1, 30 days));
        offer.acceptDispute = how % 5 == 0;
        bytes memory call = abi.encodeCall(financing.accept, (offer, 0, _signed(buyer, offer)));
        if (_watch(_bit(who) | _bit(to), seller.signer, address(financing), call)) {
            _sales.push(abi.encode(offer));
        }
    }

    function acknowledgeCash(uint256 sale) external {
        Offer memory offer = _sale(sale);
        bytes memory call = abi.encodeCall(financing.acknowledgeCash, (offer, "reference"));
        _watch(_bits(offer), _signerOf(offer.seller), address(financing), call);
    }

    function lapse(uint256 sale) external {
        Offer memory offer = _sale(sale);
        _watch(_bits(offer), stranger, address(financing), abi.encodeCall(financing.lapse, (offer)));
    }

    function pay(uint256 who, uint256 which, uint64 amount) external {
        bytes32 id = _id(which);
        amount = uint64(bound(amount, 0, 230));
        (uint64 face, uint64 interest) = receivables.due(id);
        bytes memory call = abi.encodeCall(receivables.pay, (id, amount));
        bool paid = _watch(0, _actors[who % 5].signer, address(receivables), call);
        // Whoever pays, suspended or not, and whatever is paused: what is owed is taken.
        if (paid != (amount != 0 && uint256(face) + interest != 0)) {
            violation = "a payment was refused or made up";
        }
    }

    function redeem(uint256 who, uint256 which) external {
        Actor memory actor = _actors[who % 5];
        bytes32 id = _id(which);
        uint256 before = held(address(receivables));
        Holding memory held_ = receivables.holding(id, actor.account);
        bytes memory call = abi.encodeCall(receivables.redeem, (id, actor.account));
        bool done = _watch(_bit(who), actor.signer, address(receivables), call);
        uint256 paid = before - held(address(receivables));
        paidOut[id] += paid;
        if (done && paid != uint256(held_.redeemable) + held_.redeemableInterest) {
            violation = "not what was owed";
        }
        held_ = receivables.holding(id, actor.account);
        if (done && uint256(held_.redeemable) + held_.redeemableInterest != 0) {
            violation = "redeemable twice";
        }
    }

    function wait(uint256 time) external watched(0) {
        vm.warp(block.timestamp + bound(time, 1, 20 days));
    }

    /* WHAT GOES WRONG */

    function creditNote(uint256 who, uint256 which, uint64 amount, uint256 note) external {
        Terms memory terms = _claims[which % _claims.length];
        amount = uint64(bound(amount, 1, 100));
        bytes memory call = abi.encodeCall(receivables.issueCreditNote, (terms, 0, amount, bytes32(note % 8)));
        _watch(_bit(0), supplier.signer, address(receivables), call);
        Actor memory actor = _actors[who % 5];
        call = abi.encodeCall(
            receivables.joinCreditNote, (_id(which), actor.account, bytes32(note % 8), amount / 2 + 1)
        );
        _watch(_bit(who), actor.signer, address(receivables), call);
    }

    function closeOutside(uint256 who, uint256 which, uint64 amount) external {
        Actor memory actor = _actors[who % 5];
        bytes memory call = abi.encodeCall(
            receivables.closeOutside, (_id(which), actor.account, uint64(bound(amount, 1, 100)), "outside")
        );
        _watch(_bit(who), actor.signer, address(receivables), call);
    }

    function dispute(uint256 which, uint64 amount, bool ending) external {
        Terms memory terms = _claims[which % _claims.length];
        amount = uint64(bound(amount, 1, 60));
        bytes32 id = receivables.idOf(terms);
        uint8 lots = receivables.receivable(id).lots;
        bytes memory call = ending
            ? abi.encodeCall(receivables.endDispute, (terms, lots))
            : abi.encodeCall(receivables.dispute, (terms, amount, "reason"));
        _disputing = true;
        _watch(_bit(0), debtor.signer, address(receivables), call);
        _disputing = false;
        // A dispute about all of it makes the receivable itself the lot.
        if (receivables.receivable(id).lots > lots) {
            ids.push(receivables.lotId(id, lots + 1));
            _parent[ids[ids.length - 1]] = which % _claims.length + 1;
        }
    }

    function waiveOrWriteOff(uint256 who, uint256 which, bool waiving) external {
        Actor memory actor = _actors[who % 5];
        bytes memory call = waiving
            ? abi.encodeCall(receivables.waiveInterest, (_id(which), actor.account, who % 2 == 0))
            : abi.encodeCall(receivables.writeOff, (_id(which), actor.account));
        _watch(0, actor.signer, address(receivables), call);
    }

    function recourse(uint256 sale, bool warranty) external {
        Offer memory offer = _sale(sale);
        if (warranty) {
            bytes memory demand = abi.encodeCall(financing.demandWarranty, (offer, 0, "evidence"));
            _watch(0, _signerOf(offer.buyer), address(financing), demand);
        }
        Facts memory facts = _noFacts();
        bytes memory call =
            abi.encodeCall(financing.performRecourse, (offer, 0, warranty, type(uint64).max, facts));
        _watch(_bits(offer), _signerOf(offer.seller), address(financing), call);
    }

    function releaseReserve(uint256 sale, bool toBuyer) external {
        Offer memory offer = _sale(sale);
        address account = toBuyer ? offer.buyer : offer.seller;
        bytes memory call = abi.encodeCall(financing.releaseReserve, (offer, _noFacts(), account));
        _watch(0, stranger, address(financing), call);
    }

    function suspend(uint256 who, bool lifting) external watched(0) {
        address[] memory accounts = new address[](1);
        accounts[0] = _actors[who % 5].account;
        bytes memory call = lifting
            ? abi.encodeCall(participants.liftSuspension, (accounts, "reason"))
            : abi.encodeCall(participants.suspend, (accounts, "reason"));
        _try(address(this), address(participants), call);
    }

    /// A stranger, or a party's key for another's account, tries everything that would move something.
    function attack(uint256 who, uint256 whom, uint256 which, uint256 how, uint64 amount) external {
        Actor memory victim = _actors[whom % 5];
        address attacker = who % 6 == 5 ? stranger : _actors[who % 6].signer;
        if (attacker == victim.signer) return;
        bytes32 id = _id(which);
        Parcel memory parcel = Parcel(id, uint64(bound(amount, 1, 210)), 1);
        Parcel[] memory parcels = new Parcel[](1);
        parcels[0] = parcel;
        address gain = _actors[who % 5].account;
        bytes memory call;
        how = bound(how, 0, 8);
        if (how == 0) call = abi.encodeCall(receivables.transfer, (id, victim.account, gain, parcel.units));
        if (how == 1) call = _saleOf(victim, _actors[who % 5], parcels);
        if (how == 2) call = abi.encodeCall(receivables.sendBack, (id, victim.account, gain, parcel.units));
        if (how == 3) call = abi.encodeCall(receivables.lock, (parcel, victim.account, gain, true));
        if (how == 4) call = abi.encodeCall(receivables.redeem, (id, victim.account));
        if (how == 5) call = abi.encodeCall(receivables.writeOff, (id, victim.account));
        if (how == 6) {
            call = abi.encodeCall(receivables.closeOutside, (id, victim.account, parcel.units, "none"));
        }
        if (how == 7) {
            call = abi.encodeCall(
                receivables.safeTransferFrom, (victim.account, gain, uint256(id), parcel.units, "")
            );
        }
        if (how == 8) call = abi.encodeCall(participants.setStandingConsent, (victim.account, false));
        address target = how == 8 ? address(participants) : address(receivables);
        if (_watch(0, attacker, target, call)) violation = "an attack succeeded";
    }

    /* THE END */

    /// How often a holder got something else than was promised to it at its turn, and a receivable gave more than it got.
    error Rehearsed(uint256 broken, uint256 overdrawn);

    /// All holders redeem all they can, from another one on each time. Reverts, so that it never happened.
    /// @dev The sum of what `holding` says of each is no measure of what is owed: once all is settled each is told what it
    /// would get as the next one to redeem, the pool's whole units included, and those are only one's.
    function rehearse() external {
        _liftSuspensions();
        uint256 first = _calls;
        uint256 broken;
        uint256 overdrawn;
        for (uint256 i = 0; i < ids.length; ++i) {
            bytes32 id = ids[i];
            uint256 out = paidOut[id];
            for (uint256 k = 0; k < 5; ++k) {
                Actor memory actor = _actors[(first + k) % 5];
                Holding memory held_ = receivables.holding(id, actor.account);
                uint256 promised = uint256(held_.redeemable) + held_.redeemableInterest;
                if (promised == 0) continue;
                uint256 before = held(address(receivables));
                bytes memory call = abi.encodeCall(receivables.redeem, (id, actor.account));
                bool done = _try(actor.signer, address(receivables), call);
                if (!done || before - held(address(receivables)) != promised) ++broken;
                out += promised;
            }
            Receivable memory claim = receivables.receivable(id);
            if (out > uint256(claim.paid) + claim.interestPaid) ++overdrawn;
        }
        revert Rehearsed(broken, overdrawn);
    }

    /// Pays, gives back and collects everything: afterwards nothing may be left, anywhere, to the last minor unit.
    function windUp() external {
        _liftSuspensions();
        vm.warp(block.timestamp + 31 days);
        for (uint256 i = 0; i < _sales.length; ++i) {
            _try(stranger, address(financing), abi.encodeCall(financing.lapse, (_sale(i))));
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            _try(
                debtor.signer,
                address(receivables),
                abi.encodeCall(receivables.pay, (ids[i], type(uint64).max))
            );
            // Twice: what did not divide goes to whoever redeems after the last payment.
            for (uint256 k = 0; k < 10; ++k) {
                Actor memory actor = _actors[k % 5];
                _try(
                    actor.signer,
                    address(receivables),
                    abi.encodeCall(receivables.redeem, (ids[i], actor.account))
                );
            }
            (uint8 lot, Terms memory terms) = _lotOf(ids[i]);
            _try(stranger, address(receivables), abi.encodeCall(receivables.returnInterest, (terms, lot)));
        }
    }

    function _liftSuspensions() private {
        address[] memory accounts = new address[](1);
        for (uint256 i = 0; i < 5; ++i) {
            accounts[0] = _actors[i].account;
            _try(
                address(this),
                address(participants),
                abi.encodeCall(participants.liftSuspension, (accounts, ""))
            );
        }
    }

    function _saleOf(Actor memory seller, Actor memory buyer, Parcel[] memory parcels)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(receivables.sell, (_sides(seller, buyer), true, parcels));
    }
}
