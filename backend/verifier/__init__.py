"""The checks a bank runs offline: pure functions of evidence. Imports kit and cryptography only."""
