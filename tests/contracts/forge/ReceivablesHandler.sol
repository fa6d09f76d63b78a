// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Lifecycle} from "../../../contracts/libraries/Lifecycle.sol";
import {OperatorState, Parcel, Receivable, Status} from "../../../contracts/types/Receivable.sol";
import {PaymentOrder, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Does whatever parties may do with a few receivables, in any order. A call that the contracts refuse changes nothing.
contract ReceivablesHandler is LedgerTest {
    address internal constant LOCK = address(0x10CC);

    bytes32[] public ids;
    /// Cash that went in and came out, as the wallets saw it.
    uint256 public paidIn;
    uint256 public paidOut;
    /// What happened that never may.
    bool public illegalTransition;
    bool public touchedAnother;
    bool public suspendedMoved;
    uint256 public done;

    Terms[] private _all;
    mapping(bytes32 id => Status) private _last;
    uint256 private _notes;
    bool private _suspended;

    function setUp() public override {
        // Foundry calls every public function of a handler, this one too.
        if (ids.length != 0) return;
        super.setUp();
        receivables.setOperator(address(this), OperatorState.Active);
        for (uint256 i = 0; i < 3; ++i) {
            Terms memory terms = _terms();
            terms.amount = i == 0 ? 7 : uint64(10 ** (3 * i));
            terms.lateRate = uint24(i * 90_000);
            terms.paymentOrder = i == 1 ? PaymentOrder.FaceFirst : PaymentOrder.InterestFirst;
            ids.push(_issueAndConfirm(terms));
            _all.push(terms);
        }
    }

    function idCount() external view returns (uint256) {
        return ids.length;
    }

    function holders() external view returns (address[5] memory) {
        return [supplier.account, bank.account, subSupplier.account, otherBank.account, LOCK];
    }

    function ledger() external view returns (address, address) {
        return (address(receivables), address(euro));
    }

    function slotTaken(uint256 i) external view returns (bool) {
        return fingerprints.idOf(debtor.account, _all[i].fingerprint) == ids[i];
    }

    /// The face of the receivable and of its lots together.
    function faceOf(uint256 i) external view returns (uint256) {
        return _all[i].amount;
    }

    /* ACTIONS */

    function pay(uint256 which, uint64 amount) external {
        bytes32 id = _pick(which);
        uint256 before = euro.balanceOf(debtor.signer);
        (uint64 face, uint64 interest) = receivables.due(id);
        amount = uint64(bound(amount, 1, uint256(face) + interest + 1));
        vm.prank(debtor.signer);
        try receivables.pay(id, amount) {
            ++done;
        } catch {}
        paidIn += before - euro.balanceOf(debtor.signer);
        _check();
    }

    function redeem(uint256 which, uint256 who) external {
        bytes32 id = _pick(which);
        Actor memory actor = _holder(who);
        uint256 before = euro.balanceOf(actor.payout);
        vm.prank(actor.signer);
        try receivables.redeem(id, actor.account) {
            ++done;
        } catch {}
        paidOut += euro.balanceOf(actor.payout) - before;
        _check();
    }

    function transfer(uint256 which, uint256 from, uint256 to, uint64 units) external {
        bytes32 id = _pick(which);
        (Actor memory giver, Actor memory taker) = (_holder(from), _holder(to));
        units = uint64(bound(units, 0, _units(giver, id)));
        uint256[4] memory before = _balances(id);
        vm.prank(giver.signer);
        try receivables.transfer(id, giver.account, taker.account, units) {
            ++done;
            if (_suspended && (from % 4 == 1 || to % 4 == 1)) suspendedMoved = true;
        } catch {}
        _checkOthers(id, before, from % 4, to % 4);
        _check();
    }

    function closeOutside(uint256 which, uint256 who, uint64 amount) external {
        bytes32 id = _pick(which);
        Actor memory actor = _holder(who);
        amount = uint64(bound(amount, 0, receivables.holding(id, actor.account).unpaid));
        uint256[4] memory before = _balances(id);
        vm.prank(actor.signer);
        try receivables.closeOutside(id, actor.account, amount, "reference") {
            ++done;
        } catch {}
        _checkOthers(id, before, who % 4, who % 4);
        _check();
    }

    function creditNote(uint256 which, uint64 total, uint256 who, uint64 joined) external {
        Terms memory terms = _all[which % 3];
        bytes32 id = ids[which % 3];
        bytes32 note = bytes32(++_notes);
        uint256[4] memory before = _balances(id);
        vm.prank(supplier.signer);
        try receivables.issueCreditNote(terms, 0, uint64(bound(total, 1, terms.amount)), note) {
            ++done;
        } catch {}
        _checkOthers(id, before, 0, 0);
        Actor memory actor = _holder(who);
        vm.prank(actor.signer);
        try receivables.joinCreditNote(id, actor.account, note, uint64(bound(joined, 1, terms.amount))) {
            ++done;
        } catch {}
        _check();
    }

    function dispute(uint256 which, uint64 amount, uint8 lot) external {
        Terms memory terms = _all[which % 3];
        uint256[4] memory before = _balances(ids[which % 3]);
        vm.prank(debtor.signer);
        try receivables.dispute(terms, uint64(bound(amount, 1, terms.amount)), "reason") returns (
            bytes32 id
        ) {
            ++done;
            if (id != ids[which % 3]) ids.push(id);
        } catch {}
        _checkOthers(ids[which % 3], before, 0, 0);
        vm.prank(debtor.signer);
        try receivables.endDispute(terms, lot % 4) {
            ++done;
        } catch {}
        _check();
    }

    function waive(uint256 which, uint256 who, bool waived) external {
        Actor memory actor = _holder(who);
        bytes32 id = _pick(which);
        vm.prank(actor.signer);
        try receivables.waiveInterest(id, actor.account, waived) {
            ++done;
        } catch {}
        uint256 before = euro.balanceOf(debtor.payout);
        try receivables.returnInterest(_all[which % 3], 0) {
            ++done;
        } catch {}
        paidOut += euro.balanceOf(debtor.payout) - before;
        _check();
    }

    function writeOff(uint256 which, uint256 who) external {
        Actor memory actor = _holder(who);
        bytes32 id = _pick(which);
        vm.prank(actor.signer);
        try receivables.writeOff(id, actor.account) {
            ++done;
        } catch {}
        _check();
    }

    function lockAndUnlock(uint256 which, uint256 who, uint64 units, bool sold) external {
        bytes32 id = _pick(which);
        Actor memory actor = _holder(who);
        if (_balanceOf(id, LOCK) != 0) {
            try receivables.unlock(id, LOCK, actor.account, sold) {
                ++done;
            } catch {}
        } else {
            Parcel memory parcel = Parcel(id, uint64(bound(units, 0, _units(actor, id))), 0);
            try receivables.lock(parcel, actor.account, LOCK, true) {
                ++done;
            } catch {}
        }
        _check();
    }

    /// The bank is suspended, or no longer.
    function suspend() external {
        address[] memory accounts = new address[](1);
        accounts[0] = bank.account;
        if (_suspended) participants.liftSuspension(accounts, "over");
        else participants.suspend(accounts, "reason");
        _suspended = !_suspended;
    }

    function wait_(uint32 time) external {
        vm.warp(block.timestamp + bound(time, 1, 40 days));
    }

    function _pick(uint256 which) private view returns (bytes32) {
        return ids[which % ids.length];
    }

    function _holder(uint256 who) private view returns (Actor memory) {
        if (who % 4 == 0) return supplier;
        if (who % 4 == 1) return bank;
        return who % 4 == 2 ? subSupplier : otherBank;
    }

    function _balanceOf(bytes32 id, address account) private view returns (uint256) {
        return receivables.balanceOf(account, uint256(id));
    }

    function _balances(bytes32 id) private view returns (uint256[4] memory balances) {
        for (uint256 i = 0; i < 4; ++i) {
            balances[i] = _units(_holder(i), id);
        }
    }

    /// Nothing that one account signs changes another's units, but for those it gives away.
    function _checkOthers(bytes32 id, uint256[4] memory before, uint256 one, uint256 other) private {
        uint256[4] memory now_ = _balances(id);
        for (uint256 i = 0; i < 4; ++i) {
            if (i != one && i != other && now_[i] != before[i]) touchedAnother = true;
        }
    }

    function _check() private {
        for (uint256 i = 0; i < ids.length; ++i) {
            Status status = receivables.statusOf(ids[i]);
            Status last = _last[ids[i]] == Status.None ? Status.Confirmed : _last[ids[i]];
            if (status != last && !Lifecycle.isLegal(last, status)) illegalTransition = true;
            _last[ids[i]] = status;
        }
    }
}
