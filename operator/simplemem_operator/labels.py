"""Labels of all children, once."""

from __future__ import annotations

NAME = "simplemem"
"""Value of app.kubernetes.io/name."""
MANAGER = "simplemem-operator"
"""Value of app.kubernetes.io/managed-by."""
INSTANCE_LABEL = "app.kubernetes.io/instance"
"""Label that holds the store's name."""
COMPONENT_LABEL = "app.kubernetes.io/component"
"""Label that holds the part."""
MANAGER_LABEL = "app.kubernetes.io/managed-by"
"""Label that holds the manager."""


def selector(store: str, component: str) -> dict[str, str]:
    """Labels that select the pods of a component; never changed, since a Deployment's selector cannot be."""
    return {"app.kubernetes.io/name": NAME, INSTANCE_LABEL: store, COMPONENT_LABEL: component}


def labels(store: str, component: str) -> dict[str, str]:
    """Labels of an object."""
    return {**selector(store, component), MANAGER_LABEL: MANAGER}


def as_text(selected: dict[str, str]) -> str:
    """A selector as the API spells it."""
    return ",".join(f"{key}={value}" for key, value in sorted(selected.items()))
