"""Where goods came from and where they went: the graph of events, quantities, cold chain, recall."""
