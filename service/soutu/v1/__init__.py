"""Generated from protos/soutu/v1 by scripts/stubs.py; never edited."""
