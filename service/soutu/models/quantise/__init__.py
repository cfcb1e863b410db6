"""Smaller and quicker artefacts of float32 ones, with a report of what they lose. Needs `models`."""
