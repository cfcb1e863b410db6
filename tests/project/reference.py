"""Reaches scripts/reference.py, which lies in no package."""

import importlib.util
from functools import cache
from types import ModuleType

from tests.project.source import ROOT


@cache
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
