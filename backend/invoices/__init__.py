"""Invoices as companies have them: read from any format, checked, and never the same one twice.

`reading.read` turns bytes into one `model.Invoice`; `validation` says what is wrong with it, `gates` whether
it may be financed, `uniqueness` what it must not be the second of. `service` keeps it, encrypted.
"""
