"""docs/errors.md, the protos and the code name the same errors."""

import re

import pytest

from soutu.domain.errors import Reason, Status
from tests.project.reference import reference
from tests.project.source import ROOT

PROTOS = sorted((ROOT / "protos" / "soutu" / "v1").glob("*.proto"))
# "INVALID_ARGUMENT (FIELD_INVALID, IMAGE_*)": a status with its reasons, perhaps over several comment lines.
_GROUP = re.compile(r"\b([A-Z][A-Z_]+) \(([A-Z][A-Z_]+[A-Z*](?:,[^()]*)?)\)")
_REASON = re.compile(r"[A-Z]+_[A-Z_]*\*?|INTERNAL|UNAUTHENTICATED")


def groups(text: str) -> list[tuple[str, list[str]]]:
    comments = re.sub(r"\s*\n\s*// ?", " ", text)
    found = [(status, _REASON.findall(reasons)) for status, reasons in _GROUP.findall(comments)]
    return [(status, reasons) for status, reasons in found if status in Status.__members__]


def test_the_page_is_what_the_code_says() -> None:
    page = reference().errors_page()
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == page, "run `make docs`"
    assert re.findall(r"^\| `([A-Z_]+)`", page, re.MULTILINE) == [reason.name for reason in Reason]


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.name)
def test_reasons_named_in_a_proto_exist_with_that_status(proto: object) -> None:
    wrong = []
    for status, reasons in groups((ROOT / str(proto)).read_text("utf-8")):
        for reason in reasons:
            pattern = reason.replace("*", ".*")
            matching = [known for known in Reason if re.fullmatch(pattern, known.name)]
            if not any(known.status == status for known in matching):
                wrong.append(f"{status} ({reason})")
    assert wrong == []


def test_the_protos_are_read_as_meant() -> None:
    text = "// NOT_FOUND (IMAGE_NOT_FOUND,\n  // COLLECTION_NOT_FOUND), ABORTED (ETAG_MISMATCH); IVF (FLAT)."
    assert groups(text) == [
        ("NOT_FOUND", ["IMAGE_NOT_FOUND", "COLLECTION_NOT_FOUND"]),
        ("ABORTED", ["ETAG_MISMATCH"]),
    ]
    assert sum(len(groups(proto.read_text("utf-8"))) for proto in PROTOS) > 20
