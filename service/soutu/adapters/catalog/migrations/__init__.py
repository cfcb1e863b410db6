"""Numbered, append-only migrations of the catalogue's schema."""

NEWEST = "0006"
