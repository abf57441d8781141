"""What is said of a Secret that a store names and that lacks something. Pure."""

from __future__ import annotations

from simplemem_api.conditions import Reason
from simplemem_operator.models.observed import SecretState
from simplemem_operator.models.verdict import Verdict


def judge_secret(secret: SecretState, namespace: str, *, of: str = "") -> Verdict | None:
    """What is missing of a Secret; None where nothing is.

    Parameters
    ----------
    secret
        The Secret, without its values.
    namespace
        Where it must be.
    of
        Whose it is, such as `the copies`; empty: the store's.
    """
    name = f"secret '{secret.name}'{f' of {of}' if of else ''}"
    if not secret.is_there:
        return False, Reason.SECRET_MISSING, f"{name} does not exist in namespace '{namespace}'; create it"
    if secret.missing_keys:
        keys = ", ".join(f"'{key}'" for key in secret.missing_keys)
        return False, Reason.SECRET_KEY_MISSING, f"{name} has no key {keys}; add it or name another secret"
    return None
