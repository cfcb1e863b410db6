"""How the tests are shared out among processes."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]


class TestsOfOneFile(LoadScopeScheduling):
    """Tests of one file stay together, and so do all that want the one Milvus there can be. Groups of xdist's
    own would say the same, but do not work with pytest 9."""

    __test__ = False

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "milvus" if "milvus" in nodeid or _wants_stack(path) else path


@cache
def _wants_stack(path: str) -> bool:
    return "whole_stack" in (ROOT / path).read_text("utf-8")
