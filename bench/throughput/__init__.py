"""Throughput: invoices issued and confirmed on the chain, through the API and beside it.

papers  what is signed before the clock starts
naive   the endpoint everybody writes first
chain   the chain itself, and how fast it takes transactions that were signed before
wire    HTTP clients that cost next to nothing
"""
