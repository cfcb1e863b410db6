"""The progress bar of long work."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

    from soutu.client import OperationHandle
    from soutu.v1.collection_service_pb2 import OperationMetadata


def show_progress(handle: "OperationHandle[Any]") -> None:
    """Follows an operation to its end, with a bar where stderr is a terminal."""
    with _bar() as progress:
        task = progress.add_task("waiting", total=None, rate="", left="")
        for metadata in handle.progress():
            progress.update(
                task,
                description=state_text(metadata),
                total=metadata.total or None,
                completed=metadata.done,
                rate=rate_text(metadata),
                left=left_text(metadata),
            )


def state_text(metadata: "OperationMetadata") -> str:
    """Such as running."""
    return metadata.State.Name(metadata.state).removeprefix("STATE_").lower()


def rate_text(metadata: "OperationMetadata") -> str:
    """Such as 81/s, 3 failed."""
    failed = f", {metadata.failed:,} failed" if metadata.failed else ""
    return f"{metadata.rate:.0f}/s{failed}" if metadata.rate else failed.removeprefix(", ")


def left_text(metadata: "OperationMetadata") -> str:
    """Such as 1:05 left; empty while that is not known."""
    if not metadata.HasField("time_left"):
        return ""
    minutes, seconds = divmod(metadata.time_left.seconds, 60)
    return f"{minutes}:{seconds:02} left"


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
    )
