"""Models: making artefacts that take uint8 pixels and return unit vectors, and checking them."""
