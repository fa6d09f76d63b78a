// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {Vm, vm} from "./Vm.sol";

/// A confirmed receivable of the supplier, and sales of it to the bank.
abstract contract SaleTest is LedgerTest {
    Terms internal _terms1;
    bytes32 internal _id;

    function setUp() public virtual override {
        super.setUp();
        _terms1 = _terms();
        _id = _issueAndConfirm(_terms1);
    }

    function _creditNote(bytes32 note, uint64 amount) internal {
        uint64 own = receivables.holding(_id, supplier.account).unpaid;
        vm.prank(supplier.signer);
        receivables.issueCreditNote(_terms1, 0, amount + own, note);
        vm.prank(bank.signer);
        receivables.joinCreditNote(_id, bank.account, note, amount);
    }

    function _sale(Recourse recourse, uint64 reserve) internal returns (Offer memory offer, bytes32 sale) {
        offer = _offer(_id);
        offer.recourse = recourse;
        offer.reserve = reserve;
        sale = _accept(supplier, bank, offer);
    }

    function _cashSale() internal returns (Offer memory offer, bytes32 sale) {
        offer = _offer(_id);
        offer.lockTime = 3 days;
        sale = _accept(supplier, bank, offer);
    }

    /// The last second at which it is not in default.
    function _defaultTime() internal view returns (uint256) {
        return uint256(_terms1.dueEnd) + uint256(_terms1.graceDays) * 1 days;
    }

    /// Hash of the last `FactsRecorded` among the recorded logs.
    function _lastFacts() internal returns (bytes32 hash) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IFinancing.FactsRecorded.selector) {
                hash = keccak256(abi.encode(logs[i].topics[0], logs[i].topics[1], logs[i].data));
            }
        }
    }
}
