"""EPCIS 2.0 and CBV 2.0 (GS1): documents in and out, validation, identifiers and the event hash.

Pure: no database, no network. Both bindings, JSON-LD and XML, are read into one form, the JSON binding's.
"""
