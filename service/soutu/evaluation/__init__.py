"""How well a search finds what it should."""
