"""A network in PyTorch to a model's folder: pixels in, unit vectors out, proven. Needs the extra `train`."""
