from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from soutu.domain.tensors import Kind, Tensor, inputs_of, outputs_of

SPEC = InputSpec(640, 480)


def card(task: Task) -> ModelCard:
    return ModelCard(ModelRef("m", "1"), task, 64, SPEC, "none", "MIT", "a test", "0" * 64, keypoints=512)


def test_every_task_has_its_tensors() -> None:
    pixels = (Tensor("pixels", Kind.UINT8, (480, 640, 3)),)
    assert inputs_of(card(Task.EMBED_IMAGE)) == inputs_of(card(Task.LOCAL_FEATURES)) == pixels
    assert outputs_of(card(Task.EMBED_IMAGE)) == (Tensor("embedding", Kind.FLOAT32, (64,)),)
    found = [(each.name, each.shape) for each in outputs_of(card(Task.LOCAL_FEATURES))]
    assert found == [("keypoints", (512, 2)), ("scores", (512,)), ("descriptors", (512, 64))]
    given = [each.name for each in inputs_of(card(Task.MATCH_FEATURES))]
    assert given == [f"{name}{which}" for which in "01" for name, _ in found]
    matches = outputs_of(card(Task.MATCH_FEATURES))
    assert matches == (Tensor("matches", Kind.INT64, (512,)), Tensor("scores", Kind.FLOAT32, (512,)))
