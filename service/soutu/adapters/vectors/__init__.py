"""Adapters of the VectorIndex port."""
