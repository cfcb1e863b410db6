"""A server whose models OpenVINO runs: pictures are found as ever, and the doctor knows the engine."""

from pathlib import Path

from tests.flows.cli import soutu
from tests.flows.pictures import jpeg
from tests.flows.served import Served

CHOSEN = {"SOUTU_INFERENCE_ENGINE": "openvino"}


def test_pictures_are_found_and_the_doctor_says_by_which_engine(tmp_path: Path) -> None:
    with Served(tmp_path, settings=CHOSEN) as server:
        client = server.client
        client.collections.create("gallery")
        for seed in range(4):
            client.images.upload("gallery", jpeg(seed), image_id=f"s{seed}")
        best = [client.search("gallery", jpeg(seed), page_size=1).matches[0] for seed in range(4)]
        told = soutu("--data-dir", str(server.data_dir), "doctor", variables=CHOSEN)
    assert [match.name.rpartition("/")[2] for match in best] == [f"s{seed}" for seed in range(4)]
    assert all(match.score > 0.998 for match in best)
    assert "ok   engine: openvino; pictures for each second of a core with gradient-color@1" in told


def test_what_onnx_runtime_stored_openvino_finds(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        server.client.collections.create("gallery")
        for seed in range(4):
            server.client.images.upload("gallery", jpeg(seed), image_id=f"s{seed}")
    with Served(tmp_path, settings=CHOSEN) as server:
        answer = server.client.search("gallery", jpeg(2), page_size=1)
    assert answer.matches[0].name.endswith("/s2")
    assert answer.matches[0].score > 0.998
