"""Errors of the operator.

OperatorError
|- TransientError        the next pass may succeed
|  |- ApiUnavailableError
|  |- ConflictError
|  |- GoneError
|  |- NotFoundError
|- PermanentError        something must be changed first
|- ForbiddenError
|- RefusedError
StoreGoneError           no failure: the pass has nothing to do any more
NamespaceEndingError     no failure: nothing can be made there any more
"""

from __future__ import annotations


class OperatorError(Exception):
    """Base of all errors of the operator."""


class TransientError(OperatorError):
    """The next pass may succeed."""


class ApiUnavailableError(TransientError):
    """The API server does not answer, or answers that it is overloaded."""


class ConflictError(TransientError):
    """Somebody changed the object in the meantime."""


class GoneError(TransientError):
    """A list or a watch goes on from a version that the API server no longer has."""


class NotFoundError(TransientError):
    """The object, its namespace or its whole kind is not there."""


class PermanentError(OperatorError):
    """The next pass fails again until something is changed."""


class ForbiddenError(PermanentError):
    """The operator's role lacks a verb."""


class RefusedError(PermanentError):
    """The API server refuses the object, such as by a quota or an admission rule."""


class NamespaceEndingError(Exception):
    """The namespace is being terminated, so the API server lets nothing new in; it never becomes usable again."""


class StoreGoneError(Exception):
    """The MemoryStore went away while something was to be made for it."""
