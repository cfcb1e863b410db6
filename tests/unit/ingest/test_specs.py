"""What was asked for survives its way through an operation's record."""

import json
from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Keeping
from soutu.ingest.opening import Sources
from soutu.ingest.site import BuildRequest, SyncRequest
from soutu.ingest.specs import DirectorySpec, ManifestSpec, SourceSpec, TarSpec

SPECS = [
    DirectorySpec(Path("/p"), True, ("*.jpg",), ("x*", "y*")),
    TarSpec(Path("/p.tar")),
    ManifestSpec(Path("/p.csv"), "file", {"title": "headline"}),
]


@pytest.mark.parametrize("spec", SPECS)
def test_requests_come_back_as_they_were(spec: SourceSpec) -> None:
    build = BuildRequest(spec, spec.default_keeping, 7, "op-1")
    assert BuildRequest.parsed(json.loads(json.dumps(build.as_mapping()))) == build
    sync = SyncRequest(spec, Keeping.STORED, True, False, True, 9)
    assert SyncRequest.parsed(json.loads(json.dumps(sync.as_mapping()))) == sync


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (DirectorySpec(Path("relative")), Reason.FIELD_INVALID),
        (DirectorySpec(Path("/a\0b")), Reason.FIELD_INVALID),
        (DirectorySpec(Path("/")), Reason.SOURCE_NOT_ALLOWED),
        (TarSpec(Path("/etc/passwd")), Reason.SOURCE_NOT_ALLOWED),
    ],
)
def test_sources_outside_of_the_roots_are_refused(tmp_path: Path, spec: SourceSpec, reason: Reason) -> None:
    with pytest.raises(SoutuError) as failure:
        Sources([tmp_path]).allowed(spec)
    assert failure.value.reason is reason


def test_sources_are_of_their_kind(tmp_path: Path) -> None:
    file, link = tmp_path / "a.tar", tmp_path / "link"
    file.write_bytes(b"")
    link.symlink_to("/etc")
    sources = Sources([tmp_path])
    assert sources.allowed(TarSpec(file)) == TarSpec(file)
    for spec, reason in (
        (TarSpec(tmp_path), Reason.SOURCE_NOT_FOUND),
        (DirectorySpec(file), Reason.SOURCE_NOT_FOUND),
        (ManifestSpec(tmp_path / ("x" * 300)), Reason.SOURCE_NOT_FOUND),
        (DirectorySpec(link), Reason.SOURCE_NOT_ALLOWED),
    ):
        with pytest.raises(SoutuError) as failure:
            sources.allowed(spec)
        assert failure.value.reason is reason
