"""Filters as clients write them: AIP-160 text to the typed tree of `soutu.domain.filter`, checked against a
collection's fields."""
