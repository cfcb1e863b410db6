"""The one error that crosses layers, and every reason it can carry.

A `SoutuError` is raised where the fault is understood and travels unchanged to the edge, where its reason
becomes `google.rpc.ErrorInfo.reason` and its status the gRPC status (docs/errors.md lists them all).
"""

from collections.abc import Mapping
from enum import Enum, StrEnum


class Status(StrEnum):
    """The gRPC statuses that Soutu answers with, by their canonical names."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    DATA_LOSS = "DATA_LOSS"
    INTERNAL = "INTERNAL"


class Reason(Enum):
    """Why a call failed: a stable code, the status it is answered with, and what it means.

    Codes are part of the public contract: they are added, never renamed or given another status.
    """

    status: Status
    meaning: str

    def __init__(self, status: Status, meaning: str) -> None:
        self.status = status
        self.meaning = meaning

    # The request itself
    REQUEST_MALFORMED = Status.INVALID_ARGUMENT, "The bytes are not a message of the expected type."
    FIELD_INVALID = Status.INVALID_ARGUMENT, "A field is missing or outside its range; `field` names it."
    PAGE_TOKEN_INVALID = (
        Status.INVALID_ARGUMENT,
        "The page token is not one of ours, or belongs to another request.",
    )
    PAGE_TOKEN_EXPIRED = (
        Status.FAILED_PRECONDITION,
        "The generation that the page token pages through is gone.",
    )
    FILTER_INVALID = Status.INVALID_ARGUMENT, "The filter does not parse or does not fit the schema."
    REQUEST_ID_REUSED = Status.INVALID_ARGUMENT, "The request id was used before with another request."
    REVISION_INVALID = Status.INVALID_ARGUMENT, "The revision is not one of this collection's."
    FEATURE_UNIMPLEMENTED = (
        Status.UNIMPLEMENTED,
        "This server does not implement the call or the field named.",
    )

    # The query
    VECTOR_INVALID = Status.INVALID_ARGUMENT, "A vector has the wrong dimension, is zero, or is not finite."
    QUERY_ZERO_SUM = Status.INVALID_ARGUMENT, "The weighted parts of the query cancel out."
    REGION_INVALID = Status.INVALID_ARGUMENT, "A region is empty or lies outside the image."
    TEXT_UNSUPPORTED = Status.FAILED_PRECONDITION, "The collection's model has no text tower."
    TEXT_TRUNCATED = (
        Status.INVALID_ARGUMENT,
        "A text is longer than the model's context: its end was left out. `degraded` of an answer says so; "
        "no call fails with it.",
    )

    BOOSTS_TRUNCATED = (
        Status.INVALID_ARGUMENT,
        "Boosts were given to the nearest images only: one farther off might belong among the matches. "
        "`degraded` of an answer says so; no call fails with it.",
    )

    # Pictures
    IMAGE_EMPTY = Status.INVALID_ARGUMENT, "The image has no bytes."
    IMAGE_FORMAT_UNSUPPORTED = (
        Status.INVALID_ARGUMENT,
        "The bytes are not in an image format that is allowed.",
    )
    IMAGE_UNREADABLE = Status.INVALID_ARGUMENT, "The image is damaged or cut short."
    IMAGE_TOO_LARGE = (
        Status.INVALID_ARGUMENT,
        "The image exceeds the limit on bytes, pixels, side, scans or metadata.",
    )
    IMAGE_RAW_UNAVAILABLE = (
        Status.FAILED_PRECONDITION,
        "The camera's raw file has no preview of a useful size, and this server cannot develop raw files: "
        "install the extra `raw`, or send a JPEG.",
    )
    IMAGE_TOO_SLOW = Status.INVALID_ARGUMENT, "Decoding the image takes more computing than allowed."
    IMAGE_HOSTILE = Status.INVALID_ARGUMENT, "The image brought the decoder down or past its memory limit."

    LOCATION_NOT_REMOVABLE = (
        Status.FAILED_PRECONDITION,
        "The place where the picture was taken cannot be taken out of this file; set keep_location to "
        "download it as it is, or download a thumbnail.",
    )

    # Pictures by address
    URI_DISABLED = (
        Status.FAILED_PRECONDITION,
        "This server fetches no pictures: send the bytes, or have fetch.hosts set.",
    )
    URI_INVALID = Status.INVALID_ARGUMENT, "The address is not an http(s) address without user and password."
    URI_NOT_ALLOWED = (
        Status.PERMISSION_DENIED,
        "The scheme, host or port is not one that this server fetches from; so for a redirect's.",
    )
    URI_ADDRESS_NOT_ALLOWED = (
        Status.PERMISSION_DENIED,
        "The host resolves to an address that is not public: a private, local or reserved one.",
    )
    URI_UNREACHABLE = (
        Status.FAILED_PRECONDITION,
        "The address cannot be reached: its name, its network, its certificate, or it broke off.",
    )
    URI_REFUSED = (
        Status.FAILED_PRECONDITION,
        "The address answers with another status than 200, redirects too often, or cannot be unpacked.",
    )
    URI_TOO_SLOW = Status.FAILED_PRECONDITION, "The address took longer than allowed (fetch.seconds)."

    # Resources
    COLLECTION_NOT_FOUND = Status.NOT_FOUND, "No collection has this name."
    COLLECTION_EXISTS = Status.ALREADY_EXISTS, "A collection has this name already."
    COLLECTION_BUSY = Status.FAILED_PRECONDITION, "Another long operation is changing the collection."
    COLLECTION_NOT_EMPTY = (
        Status.FAILED_PRECONDITION,
        "The collection holds images; say force to delete them too.",
    )
    GENERATION_NOT_FOUND = Status.NOT_FOUND, "The collection has no generation with this name."
    GENERATION_EXISTS = Status.ALREADY_EXISTS, "The collection has a generation with this name already."
    GENERATION_UNSOUND = (
        Status.FAILED_PRECONDITION,
        "The new index found too few of the true nearest images; it is not published.",
    )
    GENERATION_UNREADY = Status.FAILED_PRECONDITION, "The generation is not built yet."
    GENERATION_ACTIVE = Status.FAILED_PRECONDITION, "The generation is the active one; publish another first."
    IMAGE_NOT_FOUND = Status.NOT_FOUND, "The collection has no image with this name."
    IMAGE_EXISTS = Status.ALREADY_EXISTS, "The collection has an image with this name already."
    CONTENT_EXISTS = Status.ALREADY_EXISTS, "The collection holds these very bytes already; `image` names it."
    IMAGE_CHANGED_MEANWHILE = (
        Status.ABORTED,
        "The image was deleted or replaced while the call ran; start again.",
    )
    ETAG_MISMATCH = Status.ABORTED, "The resource has changed since this etag was read."
    MODEL_NOT_FOUND = Status.NOT_FOUND, "No model has this name and version."
    MODEL_EXISTS = Status.ALREADY_EXISTS, "A model has this name and version already; models are immutable."
    MODEL_INVALID = Status.INVALID_ARGUMENT, "The model's artefact does not fit its card."
    MODEL_NOT_EMBEDDING = (
        Status.FAILED_PRECONDITION,
        "The model does not embed pictures: it finds local features, or matches them.",
    )
    MODEL_LOSES = (
        Status.FAILED_PRECONDITION,
        "The quantised model finds so much less than the original that it is not kept.",
    )
    LICENCE_NOT_ACCEPTED = (
        Status.FAILED_PRECONDITION,
        "The model's licence is a restricted one, which has to be agreed to first.",
    )
    HUB_UNREACHABLE = (
        Status.UNAVAILABLE,
        "The hub with the model's weights cannot be reached, or does not have them.",
    )
    OPERATION_NOT_FOUND = Status.NOT_FOUND, "No operation has this name."
    OPERATION_UNFINISHED = Status.FAILED_PRECONDITION, "The operation is still running; cancel it first."
    OPERATION_CANCELLED = Status.CANCELLED, "The operation was cancelled on request."

    # Originals kept by reference, and sources
    ORIGINAL_CHANGED = (
        Status.FAILED_PRECONDITION,
        "The original file is not the one that was indexed; sync its source.",
    )
    ORIGINAL_GONE = Status.FAILED_PRECONDITION, "The original file is no longer there; sync its source."
    SOURCE_NOT_FOUND = Status.INVALID_ARGUMENT, "The source does not exist or is not of a readable kind."
    SIDECAR_UNREADABLE = (
        Status.INVALID_ARGUMENT,
        "The XMP file beside the picture cannot be read; the picture is taken without what it says.",
    )
    SOURCE_TOO_LARGE = (
        Status.INVALID_ARGUMENT,
        "The archive or manifest has too many entries or unpacks to too many bytes.",
    )
    SOURCE_NOT_ALLOWED = (
        Status.PERMISSION_DENIED,
        "The source lies outside the directories the server may read.",
    )
    DATA_DIRECTORY_UNUSABLE = (
        Status.FAILED_PRECONDITION,
        "The data directory cannot be written, or another server uses it.",
    )
    DEPLOYMENT_NOT_EMPTY = Status.FAILED_PRECONDITION, "A backup is restored into an empty deployment only."

    BACKUP_UNSUPPORTED = (
        Status.FAILED_PRECONDITION,
        "The catalogue is on a database server: use the server's own backups, or export collections.",
    )
    BACKUP_RUNNING = Status.FAILED_PRECONDITION, "Another backup is being made; wait for it or cancel it."

    # Callers
    UNAUTHENTICATED = Status.UNAUTHENTICATED, "The call carries no key."
    KEY_MALFORMED = (
        Status.UNAUTHENTICATED,
        "The authorization header is not one `Bearer` with a key.",
    )
    KEY_UNKNOWN = Status.UNAUTHENTICATED, "The key is not one of this server's."
    KEY_EXPIRED = Status.UNAUTHENTICATED, "The key has expired."
    SCOPE_MISSING = Status.PERMISSION_DENIED, "The key does not allow this call."

    # The service's own condition: try again
    QUEUE_FULL = Status.RESOURCE_EXHAUSTED, "Too much work is waiting; retry after the delay given."
    BACKLOG_FULL = (
        Status.UNAVAILABLE,
        "The index is too far behind the catalogue to accept writes; retry later.",
    )
    REVISION_NOT_REACHED = Status.UNAVAILABLE, "The index did not reach min_revision in time; retry."
    INDEX_UNREADY = Status.UNAVAILABLE, "The index is being loaded or rebuilt; retry later."
    INDEX_UNAVAILABLE = Status.UNAVAILABLE, "The vector index cannot be reached or written."
    PUBLISH_LATE = Status.UNAVAILABLE, "The generation did not catch up with the writes in time; retry."
    CATALOG_UNAVAILABLE = Status.UNAVAILABLE, "The catalogue cannot be reached or written."
    OBJECTS_UNAVAILABLE = Status.UNAVAILABLE, "The object store cannot be reached or written."
    CACHE_UNAVAILABLE = Status.UNAVAILABLE, "The cache cannot be reached, so nothing can be purged from it."
    INFERENCE_UNAVAILABLE = Status.UNAVAILABLE, "The model cannot be run at present."
    DECODER_UNAVAILABLE = (
        Status.UNAVAILABLE,
        "The image decoders cannot be started, or are kept from computing, at present; retry later.",
    )
    SHUTTING_DOWN = Status.UNAVAILABLE, "The server is shutting down."
    DEADLINE_EXCEEDED = Status.DEADLINE_EXCEEDED, "The call's deadline passed before the answer was ready."
    CONTENT_LOST = Status.DATA_LOSS, "Stored bytes are missing or do not match their hash."
    INTERNAL = Status.INTERNAL, "A fault of the server; its log has the details under the request id."


class SoutuError(Exception):
    """A failure with a stable reason and a sentence that tells the reader what to do.

    `message` is shown to clients as it stands: it names nothing of the server's insides.
    `metadata` are short string facts (`field`, `limit`, `image`) for programs.
    """

    def __init__(self, reason: Reason, message: str = "", **metadata: object) -> None:
        self.reason = reason
        self.message = message or reason.meaning
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}
        super().__init__(f"{reason.name}: {self.message}")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.reason.name, self.message, dict(self.metadata)))


def _rebuild(reason: str, message: str, metadata: dict[str, str]) -> SoutuError:
    return SoutuError(Reason[reason], message, **metadata)


def invalid_field(field: str, sentence: str) -> SoutuError:
    """The error for one bad field, by its path in the request message."""
    return SoutuError(Reason.FIELD_INVALID, f"{field}: {sentence}", field=field)
