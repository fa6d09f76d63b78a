// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {Parcel, Status} from "../../../contracts/types/Receivable.sol";
import {Offer} from "../../../contracts/types/Sale.sol";
import {Confirmation, Terms, Undertaking} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Several at once, all or none. Branches: ReceivablesMany.tree.
contract ReceivablesManyTest is LedgerTest {
    function _three() private returns (Terms[] memory terms, Confirmation[] memory confirmations) {
        terms = new Terms[](3);
        confirmations = new Confirmation[](3);
        for (uint256 i = 0; i < 3; ++i) {
            terms[i] = _terms();
            terms[i].amount = uint64(100 + i);
            confirmations[i] = _confirmation(terms[i]);
        }
    }

    function _assertAll(Terms[] memory terms, bytes32[] memory ids, Status status) private view {
        assertEq(ids.length, terms.length, "as many ids");
        for (uint256 i = 0; i < terms.length; ++i) {
            assertEq(ids[i], receivables.idOf(terms[i]), "id");
            assertTrue(receivables.statusOf(ids[i]) == status, "status");
            assertEq(_units(supplier, ids[i]), terms[i].amount, "units");
        }
    }

    function _shorter(Confirmation[] memory all) private pure returns (Confirmation[] memory fewer) {
        fewer = new Confirmation[](all.length - 1);
        for (uint256 i = 0; i < fewer.length; ++i) {
            fewer[i] = all[i];
        }
    }

    function test_IssueMany_ConfirmMany() public {
        (Terms[] memory terms, Confirmation[] memory confirmations) = _three();
        vm.prank(supplier.signer);
        bytes32[] memory ids = receivables.issueMany(terms);
        _assertAll(terms, ids, Status.Issued);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.confirmMany(terms, _shorter(confirmations));
        receivables.confirmMany(terms, confirmations);
        _assertAll(terms, ids, Status.Confirmed);
    }

    function test_IssueAndConfirmMany_AllOrNone() public {
        (Terms[] memory terms, Confirmation[] memory confirmations) = _three();
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.issueAndConfirmMany(terms, _shorter(confirmations));

        confirmations[2].deadline = block.timestamp - 1;
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.ConfirmationExpired.selector);
        receivables.issueAndConfirmMany(terms, confirmations);
        assertTrue(receivables.statusOf(receivables.idOf(terms[0])) == Status.None, "none of them");

        confirmations[2] = _confirmation(terms[2]);
        vm.prank(supplier.signer);
        _assertAll(terms, receivables.issueAndConfirmMany(terms, confirmations), Status.Confirmed);
    }

    function test_RedeemMany_NoneOrOfTwoCurrencies_Reverts() public {
        bytes32[] memory ids = new bytes32[](0);
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.redeemMany(ids, supplier.account);

        TestCurrency dollar = new TestCurrency("Dollar", "tUSD", 6);
        receivables.admitCurrency(address(dollar), "USD", 2, 1);
        _fund(debtor, dollar);
        Terms memory terms = _terms();
        (terms.token, terms.currency) = (address(dollar), "USD");
        ids = new bytes32[](2);
        (ids[0], ids[1]) = (_claim(), _issueAndConfirm(terms));
        _pay(debtor, ids[0], FACE);
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.redeemMany(ids, supplier.account);
    }

    /// Money that came in several ways goes out in one payment.
    function test_RedeemMany_PaysFaceAndInterestOfAll() public {
        bytes32[] memory ids = new bytes32[](2);
        Terms memory terms = _terms();
        terms.lateRate = 100_000;
        (ids[0], ids[1]) = (_issueAndConfirm(terms), _claim());
        vm.warp(terms.dueEnd + 73 days);
        _pay(debtor, ids[0], type(uint64).max);
        _pay(debtor, ids[1], FACE / 2);
        uint256 before = euro.balanceOf(supplier.payout);
        vm.prank(supplier.signer);
        receivables.redeemMany(ids, supplier.account);
        assertEq(euro.balanceOf(supplier.payout) - before, FACE + FACE / 50 + FACE / 2, "in one");
        assertEq(euro.balanceOf(address(receivables)), 0, "nothing left behind");
    }

    function test_BalanceOfBatch() public {
        bytes32 id = _claim();
        _transfer(supplier, bank, id, 40);
        address[] memory accounts = new address[](2);
        uint256[] memory ids = new uint256[](2);
        (accounts[0], accounts[1]) = (bank.account, supplier.account);
        (ids[0], ids[1]) = (uint256(id), uint256(id));
        uint256[] memory balances = receivables.balanceOfBatch(accounts, ids);
        assertEq(balances.length, 2, "as many");
        assertEq(balances[0], 40, "the bank's");
        assertEq(balances[1], FACE - 40, "the supplier's");
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.balanceOfBatch(accounts, new uint256[](1));
    }

    function test_SafeTransfers_ThatDoNotFit_Revert() public {
        bytes32 id = _claim();
        uint256[] memory ids = new uint256[](2);
        (ids[0], ids[1]) = (uint256(id), uint256(id));
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.safeBatchTransferFrom(supplier.account, bank.account, ids, new uint256[](1), "");
        uint256[] memory values = new uint256[](3);
        (values[0], values[1], values[2]) = (1, 1, 1);
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.safeBatchTransferFrom(supplier.account, bank.account, ids, values, "");
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.safeTransferFrom(supplier.account, bank.account, uint256(id), 1 << 64, "");
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.NotEnoughUnits.selector);
        receivables.safeTransferFrom(supplier.account, bank.account, uint256(id), (1 << 64) - 1, "");
    }

    /// One offer is in one token: claims of another never go with it.
    function test_Sell_ClaimsOfTwoCurrencies_Reverts() public {
        TestCurrency dollar = new TestCurrency("Dollar", "tUSD", 6);
        receivables.admitCurrency(address(dollar), "USD", 2, 1);
        Terms memory terms = _terms();
        (terms.token, terms.currency) = (address(dollar), "USD");
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        offer.parcels = new Parcel[](2);
        offer.parcels[0] = Parcel(id, FACE, FACE);
        offer.parcels[1] = Parcel(_issueAndConfirm(terms), FACE, FACE);
        bytes memory signature = _signed(bank, offer);
        bytes32 other = offer.parcels[1].id;
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.CurrencyDiffers.selector, other));
        financing.accept(offer, 0, signature);
    }

    function test_SupportsInterface() public view {
        assertTrue(receivables.supportsInterface(type(IERC1155).interfaceId), "ERC-1155");
        assertTrue(receivables.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        assertFalse(receivables.supportsInterface(0xffffffff), "none");
    }

    function test_StatementOf_IsWhatTheDebtorSigns() public {
        Undertaking[2] memory undertakings = [Undertaking.Acknowledged, Undertaking.Irrevocable];
        string memory termsType = "Terms(address supplier,address debtor,address token,bytes3 currency,"
            "uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,"
            "uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules)";
        for (uint256 i = 0; i < 2; ++i) {
            Terms memory terms = _terms();
            terms.undertaking = undertakings[i];
            bytes32 statement = keccak256(bytes(receivables.statementOf(undertakings[i])));
            bytes32 typehash = keccak256(
                bytes(
                    string.concat(
                        "Confirmation(string statement,Terms terms,uint256 nonce,uint256 deadline)", termsType
                    )
                )
            );
            bytes32 id = keccak256(abi.encodePacked(keccak256(bytes(termsType)), abi.encode(terms)));
            assertEq(receivables.idOf(terms), id, "id");
            assertEq(
                receivables.confirmationDigest(terms, 0, 5, 6),
                _typed(
                    address(receivables),
                    "Tallystick Receivables",
                    keccak256(abi.encode(typehash, statement, id, 5, 6))
                ),
                "confirmation"
            );
            typehash = keccak256(
                bytes(
                    string.concat(
                        "Replacement(string statement,bytes32 replaced,Terms terms,uint256 nonce,"
                        "uint256 deadline)",
                        termsType
                    )
                )
            );
            assertEq(
                receivables.confirmationDigest(terms, "old", 5, 6),
                _typed(
                    address(receivables),
                    "Tallystick Receivables",
                    keccak256(abi.encode(typehash, statement, bytes32("old"), id, 5, 6))
                ),
                "replacement"
            );
        }
    }
}
