"""Errors of the operator.

OperatorError
|- TransientError        the next pass may succeed
|  |- ApiUnavailableError
|  |- ConflictError
|- PermanentError        something must be changed first
|- ForbiddenError
|- RefusedError
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


class PermanentError(OperatorError):
    """The next pass fails again until something is changed."""


class ForbiddenError(PermanentError):
    """The operator's role lacks a verb."""


class RefusedError(PermanentError):
    """The API server refuses the object, such as by a quota or an admission rule."""
