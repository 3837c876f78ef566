"""Every failure has a name here, and the name says what the caller should do.

::

    ChromaError                     catch-all, as in chromadb
    ├── InvalidArgumentError        400  fix the request
    │   ├── InvalidDimensionException    the vector has the wrong length
    │   ├── DuplicateIDError             our client refuses a batch that repeats an id
    │   ├── InvalidUUIDError             a path names something that is no UUID
    │   ├── ValidationError              also a ValueError: our client's own checks
    │   └── ValidationTypeError          also a TypeError: the same, for types
    ├── UnprocessableError          422  well-formed JSON of the wrong shape
    ├── QuotaExceededError          422  the tenant has, or asks for, all that it may
    ├── BatchSizeExceededError      413  split the batch
    ├── PayloadTooLargeError        413  send a smaller body
    ├── UnsupportedMediaTypeError   415  send JSON
    ├── SlowRequestError            408  send the body faster, or less of it
    ├── AuthorizationError          401  who are you
    ├── ChromaAuthError             403  you may not
    ├── ResetDisabledError          403  start the server with resets allowed
    ├── NotFoundError               404
    ├── UniqueConstraintError       409  the name is taken
    ├── ConditionalWriteConflictError 409  what a transaction has read was changed: read again, then commit
    ├── StaleReadError              412  read again
    ├── RateLimitError              429  wait, then retry
    ├── InternalError               500  our fault
    │   └── CorruptionError              a stored file fails its checksum or its invariants; names the file
    ├── UnimplementedError          501/410
    ├── UnavailableError            503  retry later: the disk is full, or the server drains
    │   └── PoisonedError                a durable write failed in doubt; reopen the store
    ├── StoreError                       the store cannot be used from here
    │   ├── ClosedError                  the client or engine was closed
    │   ├── LockedError                  another process owns the data directory; names its pid
    │   ├── FencedError                  a newer owner holds the lease
    │   ├── ForkedError                  the object was made in the parent of this process
    │   ├── WrongLoopError               the object belongs to another event loop
    │   └── ForeignDirectoryError        the directory holds another program's files
    ├── EmbeddingError                   an embedding function failed (client side only); names it
    │   ├── EmbeddingRefusedError            fix the key, the model's name or the texts
    │   ├── EmbeddingUnavailableError        no answer, or "not now"; retry later
    │   ├── EmbeddingAnswerError             the answer was not one vector per text
    │   └── ModelMissingError                the model is not on this machine; says how to get it
    ├── EncryptionError                  a value is not what was encrypted, or its key is missing (client side only)
    └── TransportError                   no answer came (client side only)
        ├── ConnectError                 could not connect; retry is safe
        ├── RequestTimeoutError          also a TimeoutError; the request may have been carried out
        ├── TLSError                     the certificate was refused
        └── ProtocolError                the answer was not Chroma's
"""

from __future__ import annotations

from typing import ClassVar

#: Of a longer message the beginning and the end are kept: a caller's name in it may be of any length, and goes into logs and answers.
MESSAGE_CHARS = 2_000


class ChromaError(Exception):
    """Any failure of this package. Attributes: ``trace_id`` (from the server, if any), ``url`` and ``status`` (client side)."""

    status: ClassVar[int] = 400
    #: What the ``error`` member of the JSON body says (docs/CONTRACT.md#errors).
    wire_name: ClassVar[str] = "ChromaError"
    #: Whether the same request may succeed later, unchanged.
    retryable: ClassVar[bool] = False

    trace_id: str | None = None
    url: str | None = None
    retry_after_s: float | None = None
    #: Of a write that was sent in pieces and failed midway: how many of its records, from the first on, were written.
    records_written: int | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(*(_bounded(arg) if type(arg) is str and len(arg) > MESSAGE_CHARS else arg for arg in args))

    def code(self) -> int:
        """The HTTP status that stands for this class."""
        return self.status

    def message(self) -> str:
        """The text, without the class name."""
        return ", ".join(str(part) for part in self.args)

    @classmethod
    def name(cls) -> str:
        """The name chromadb gives this class."""
        return cls.__name__


def _bounded(text: str) -> str:
    half = MESSAGE_CHARS // 2 - 20
    return f"{text[:half]} ... {len(text)} characters ... {text[-half:]}"


class IgnoredArgumentWarning(UserWarning):
    """An argument was taken and has no effect, since what it is about exists already with another value."""


class InvalidArgumentError(ChromaError):
    """The request is well formed but says something that cannot be done. Nothing was changed."""

    wire_name = "InvalidArgumentError"

    @classmethod
    def name(cls) -> str:
        return "InvalidArgument"


class InvalidDimensionException(InvalidArgumentError):
    """A vector's length differs from the collection's dimension."""

    @classmethod
    def of(cls, expected: object, given: int) -> InvalidDimensionException:
        """In the words that Chroma's clients know. :param expected: a number, or what is expected of it."""
        return cls(f"Collection expecting embedding with dimension of {expected}, got {given}")

    @classmethod
    def name(cls) -> str:
        return "InvalidDimension"


class DuplicateIDError(InvalidArgumentError, ValueError):
    """A batch names the same id twice."""

    @classmethod
    def name(cls) -> str:
        return "DuplicateID"


class InvalidUUIDError(InvalidArgumentError):
    """A collection id is not a UUID."""

    @classmethod
    def name(cls) -> str:
        return "InvalidUUID"


class ValidationError(InvalidArgumentError, ValueError):
    """An argument was refused before any request was made."""


class ValidationTypeError(InvalidArgumentError, TypeError):
    """An argument of the wrong type was refused before any request was made."""


class UnprocessableError(ChromaError):
    """A JSON body of the wrong shape; the message names the path inside it."""

    status = 422


class QuotaExceededError(ChromaError):
    """The tenant would have, or get, more than its quota. Nothing was changed. Clients know it by how its message begins."""

    status = 422
    wire_name = "QuotaError"


class BatchSizeExceededError(ChromaError):
    """A batch is larger than the store takes at once."""

    status = 413


class PayloadTooLargeError(ChromaError):
    """A request body is larger than ``max_body_bytes``."""

    status = 413


class UnsupportedMediaTypeError(ChromaError):
    """The body is neither JSON nor unlabelled."""

    status = 415


class SlowRequestError(ChromaError):
    """The body of a request came too slowly. Nothing was done."""

    status = 408


class AuthorizationError(ChromaError):
    """The caller is not known. ``challenge`` says how callers show who they are, as HTTP has it."""

    status = 401
    challenge = "Bearer"


class ChromaAuthError(ChromaError):
    """The caller is known and may not do this."""

    status = 403

    @classmethod
    def name(cls) -> str:
        return "AuthError"


class ResetDisabledError(ChromaError):
    """Reset was asked of a store that does not allow it."""

    status = 403


class NotFoundError(ChromaError):
    """A tenant, database, collection or function does not exist."""

    status = 404
    wire_name = "NotFoundError"


class UniqueConstraintError(ChromaError):
    """A tenant, database or collection of that name exists already."""

    status = 409


class ConditionalWriteConflictError(ChromaError):
    """A record that a transaction has read was changed before it committed. Nothing was written; begin anew."""

    status = 409
    wire_name = "ConditionalWriteConflictError"


class StaleReadError(ChromaError):
    """A read token is not held any longer: read again."""

    status = 412


class RateLimitError(ChromaError):
    """A queue is full. ``retry_after_s`` says when to come back."""

    status = 429
    retryable = True


class InternalError(ChromaError):
    """Something failed that no request can mend."""

    status = 500
    wire_name = "InternalError"


class CorruptionError(InternalError):
    """A stored file is missing, truncated, or fails its checksum or an invariant. ``file`` names it."""

    def __init__(self, message: str, file: str | None = None) -> None:
        super().__init__(message)
        self.file = file


class UnimplementedError(ChromaError):
    """The route exists in Chroma and not here (any longer)."""

    status = 501


class UnavailableError(ChromaError):
    """The write was not made and may be retried: disk full, or the server is draining."""

    status = 503
    retryable = True


class PoisonedError(UnavailableError):
    """A commit or fsync failed, so what is durable is in doubt. Reads go on; writes are refused until the store is reopened."""

    retryable = False


class StoreError(ChromaError):
    """The store cannot be used from here."""

    status = 500
    wire_name = "InternalError"


class ClosedError(StoreError):
    """The client or the engine was closed."""


class LockedError(StoreError):
    """Another process owns the data directory. ``pid`` is that process, when known."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class FencedError(StoreError):
    """A newer owner holds the lease; this one may not write."""


class ForkedError(StoreError):
    """The object was made in the parent of this process and cannot be used after a fork."""


class WrongLoopError(StoreError, RuntimeError):
    """The object belongs to another event loop."""


class ForeignDirectoryError(StoreError):
    """The directory holds another program's files; nothing in it was touched."""


class EmbeddingError(ChromaError):
    """An embedding function failed, before the store was asked anything. ``function`` is its name."""

    function: str | None = None


class EmbeddingRefusedError(EmbeddingError):
    """The service refused the request, and would again: the key, the model's name, the texts or the address are wrong."""


class EmbeddingUnavailableError(EmbeddingError):
    """The service could not be reached, did not answer in time, or asked to come back later, also when it was asked again."""

    status = 503
    retryable = True


class EmbeddingAnswerError(EmbeddingError):
    """The service answered something else than was asked for: not one vector of numbers for each text."""

    status = 502


class ModelMissingError(EmbeddingError):
    """A model, or the library that runs it, is not on this machine. Nothing is fetched unasked; the message says how to get it."""


class EncryptionError(ChromaError):
    """A stored value does not open: it was changed or moved, it is not encrypted at all, or its key is not there. Client side only."""

    status = 500


class TransportError(ChromaError):
    """The server's answer did not arrive."""

    status = 503


class ConnectError(TransportError):
    """No connection could be made; nothing was sent."""

    retryable = True


class RequestTimeoutError(TransportError, TimeoutError):
    """The answer did not come in time; the request may have been carried out."""


class TLSError(TransportError):
    """The server's certificate was refused."""


class ProtocolError(TransportError):
    """Something answered that does not speak Chroma's API."""
