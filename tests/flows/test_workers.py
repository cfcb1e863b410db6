"""Several processes on one port: refused without what they share, and one service where they have it."""

import subprocess
import sys
from pathlib import Path

import pytest

from soutu.settings import Settings, SettingsError
from soutu.settings.schema import CatalogSettings, ObjectsSettings
from soutu.workers import refuse_lonely
from tests.flows.served import SOURCE_ROOT


def test_workers_without_what_they_share_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "soutu.cli", "--data-dir", str(tmp_path), "serve", "--workers", "2"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": str(SOURCE_ROOT), "HOME": "/"}
    )
    assert done.returncode == 1
    assert "set catalog.url and index.url and objects.url" in " ".join(done.stderr.split())
    assert not (tmp_path / "lock").exists()


def test_what_is_lacking_is_named() -> None:
    file = CatalogSettings(url="sqlite+aiosqlite:////a/catalog.db")
    with pytest.raises(SettingsError, match=r"set catalog\.url and index\.url\.$"):
        refuse_lonely(Settings(catalog=file, objects=ObjectsSettings(url="s3://bucket")))
