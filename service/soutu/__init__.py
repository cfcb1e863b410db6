"""Soutu (搜图): an image-retrieval service. Images in, matching images out."""

__version__ = "0.1.0"
