"""Where models lie."""
