"""The EPCIS 2.0 query language (section 8.2.7): read, carried out, and paged."""
