"""Errors of the service.

ServiceError
|- TransientError          a retry may help
|  |- StorageUnavailableError
|  |  |- CarelessBucketError
|  |- OverloadedError
|  |  |- RateLimitedError
|  |- NotReadyError
|  |- LeaseLostError
|  |- LlmError
|  |- EmbeddingUnavailableError
|  |  |- EmbeddingRefusedError
|- PermanentError          a retry gives the same
   |- ConfigError
   |- IdentityMismatchError
   |- ModelNotFoundError
   |- EmbeddingError
   |- DamagedSegmentError
   |- InvalidInputError
   |  |- ImportLineError
   |  |- ReservedUserError
   |- NotFoundError
   |- ConflictError
   |- UnauthorizedError
   |  |- TokenExpiredError
   |- ForbiddenError
   |- OperationFailedError
   |- WritePathError
   |- ReembedError
   |- BackupError
   |- LlmRejectedError
   |  |- LlmTooLongError
   |- BudgetExceededError
"""

from __future__ import annotations


class ServiceError(Exception):
    """Base of all errors of the service."""

    code = "InternalError"
    """What programs read; CamelCase, stable."""


class TransientError(ServiceError):
    """Something outside failed; the same call may work later."""

    code = "Unavailable"


class StorageUnavailableError(TransientError):
    """The data folder or the bucket cannot be read or written now."""

    code = "StorageUnavailable"


class CarelessBucketError(StorageUnavailableError):
    """The bucket answers and ignores the conditions of a write, so two writers would lose each other's turns unseen."""


class OverloadedError(TransientError):
    """A queue is full; the caller should wait and try again."""

    code = "Overloaded"


class RateLimitedError(OverloadedError):
    """A caller sends more requests than its token may."""

    code = "RateLimited"

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NotReadyError(TransientError):
    """A part of the service has not started yet; the message says which and why."""

    code = "NotReady"


class LeaseLostError(TransientError):
    """Another process writes the tables now."""

    code = "LeaseLost"


class IndexBrokenError(TransientError):
    """A lexical or vector index is damaged; it is rebuilt from the table."""

    code = "IndexBroken"


class LlmError(TransientError):
    """No language model answered now: rate limits, time-outs, failures of its server."""

    code = "LlmUnavailable"

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class EmbeddingUnavailableError(TransientError):
    """The provider of the embedding model gave no vectors now: rate limits, time-outs, failures of its server."""

    code = "EmbeddingUnavailable"

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class EmbeddingRefusedError(EmbeddingUnavailableError):
    """The provider refuses: wrong key, unknown model. Transient, since what was accepted waits until that is mended."""

    code = "EmbeddingRefused"


class PermanentError(ServiceError):
    """The same call will fail again until something is changed."""

    code = "Failed"


class ConfigError(PermanentError):
    """A setting is missing or wrong; the message names it, the value found and what must hold."""

    code = "InvalidConfig"


class IdentityMismatchError(PermanentError):
    """The store holds vectors of another model or dimension."""

    code = "ModelMismatch"


class ModelNotFoundError(PermanentError):
    """The embedding model's weights are nowhere to be found."""

    code = "ModelNotFound"


class EmbeddingError(PermanentError):
    """The model could not encode a text."""

    code = "EmbeddingFailed"


class DamagedSegmentError(PermanentError):
    """A journal segment does not match its checksum."""

    code = "DamagedSegment"


class InvalidInputError(PermanentError):
    """The caller's data is wrong; `field` says where."""

    code = "InvalidInput"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ImportLineError(InvalidInputError):
    """A line of an import is wrong; nothing from it on is applied."""

    def __init__(self, line: int, field: str, reason: str) -> None:
        super().__init__(field, f"line {line}: {field}: {reason}")
        self.line = line


class ReservedUserError(InvalidInputError):
    """A request names the user that the service keeps for itself."""

    code = "ReservedUser"

    def __init__(self, user_id: str) -> None:
        super().__init__("user_id", f"user_id: '{user_id}' is reserved for the service's own checks; use another one")


class NotFoundError(PermanentError):
    """What was asked for does not exist."""

    code = "NotFound"


class ConflictError(PermanentError):
    """The request contradicts an earlier one."""

    code = "Conflict"


class UnauthorizedError(PermanentError):
    """The bearer token is missing or wrong."""

    code = "Unauthorized"


class TokenExpiredError(UnauthorizedError):
    """The bearer token was good until a time that has passed."""

    code = "TokenExpired"


class ForbiddenError(PermanentError):
    """The bearer token is good, and not for this."""

    code = "Forbidden"


class OperationFailedError(PermanentError):
    """A change was accepted and could not be applied."""

    code = "OperationFailed"


class WritePathError(PermanentError):
    """A turn that proves the write path did not come through."""

    code = "WritePathStuck"


class ReembedError(PermanentError):
    """New vectors of the entries are not what they should be; those in use stay."""

    code = "ReembedFailed"


class BackupError(PermanentError):
    """A copy of the store could not be made as it should be, or is not what it should be."""

    code = "BackupFailed"


class LlmRejectedError(PermanentError):
    """A language model refuses the request: wrong key, unknown model, forbidden content."""

    code = "LlmRejected"


class LlmTooLongError(LlmRejectedError):
    """The request or its reply is longer than the language model takes."""

    code = "LlmTooLong"


class BudgetExceededError(PermanentError):
    """The budget of the month is used up, and the store says to call no language model then."""

    code = "BudgetExceeded"
