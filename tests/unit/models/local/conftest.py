"""XFeat and LighterGlue as the tests here know them."""

from tests.unit.models.local.made import xfeat, xfeat_matcher

__all__ = ["xfeat", "xfeat_matcher"]
