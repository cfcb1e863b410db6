"""docker-compose.yml as compose itself understands it."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from scripts.stack.places import StackError, shared_tool
from tests.project.source import ROOT

FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
Service = Mapping[str, Any]


@cache
def composed(*files: str) -> Mapping[str, Any]:
    """The files, put over each other, every profile included. The specification's own loader reads them;
    where it is missing the test is skipped, which CI does not accept."""
    try:
        tool = shared_tool("compose-check")
    except StackError as error:
        pytest.skip(str(error))
    command = [tool, "-format", "json", *(str(ROOT / file) for file in files)]
    ran = subprocess.run(
        command, env={**os.environ, "COMPOSE_PROFILES": "*"}, capture_output=True, text=True, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    loaded: Mapping[str, Any] = json.loads(ran.stdout)
    return loaded


def services(*files: str) -> Mapping[str, Service]:
    """The services by name, of the first file where none is named."""
    found: Mapping[str, Service] = composed(*(files or FILES[:1]))["services"]
    return found


def words(service: Service) -> str:
    """All that the service's process is started and asked with."""
    check = service.get("healthcheck", {}).get("test") or []
    return " ".join([*(service.get("entrypoint") or []), *(service.get("command") or []), *check])
