"""Offers, sale against payment, repayment and recourse."""
