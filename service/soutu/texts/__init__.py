"""Texts of queries and labels, as models read them."""
