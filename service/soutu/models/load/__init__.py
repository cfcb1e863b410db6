"""Weights to a network in PyTorch. Needs the extra `train`; loads no code and no pickle of anybody's."""
