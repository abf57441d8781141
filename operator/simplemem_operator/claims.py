"""Names of children: taken where they are free, and left to whoever else has them.

No cache knows the objects of others. To ask before every object that is made costs a request each, and its answer may
be wrong by the time of the write; so an object is made by a write that the API server refuses where anything has the
name, and only after such a refusal somebody looks whose it is.
"""

from __future__ import annotations

from simplemem_operator import labels
from simplemem_operator.cluster import Cluster
from simplemem_operator.errors import ConflictError
from simplemem_operator.kinds import KINDS
from simplemem_operator.models.desired import Manifest

OWN_LABELS = (labels.INSTANCE_LABEL, labels.MANAGER_LABEL)
"""Labels by which an object of ours is known."""

Place = tuple[str, str, str]
"""Kind, namespace and name of an object."""


class Claims:
    """Writes children without ever adopting an object. Safe to use from any thread, for different stores at once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._taken: set[Place] = set()

    def is_taken(self, child: Manifest, uid: str) -> bool:
        """Whether somebody else had a child's name at the last attempt, and still has it.

        Parameters
        ----------
        child
            What is to be made.
        uid
            Identity of its owner.
        """
        place = _place(child)
        if place not in self._taken:
            return False
        found = self._read(child)
        if found is not None and not is_ours(found, child, uid):
            return True
        self._taken.discard(place)
        return False

    def apply(self, child: Manifest, live: Manifest | None, uid: str) -> Manifest | None:
        """Have an object as the manifest says; None where its name belongs to somebody else, who keeps it.

        Parameters
        ----------
        child
            What is to be.
        live
            The object as it is known; None where none is known.
        uid
            Identity of its owner.
        """
        if live is not None:
            return self._cluster.apply(child, live)
        if self.is_taken(child, uid):
            return None
        try:
            return self._cluster.create(child)
        except ConflictError:
            found = self._read(child)
            if found is None:
                raise
        # An object of ours may be there before its event.
        if is_ours(found, child, uid):
            return self._cluster.apply(child, {"metadata": found})
        self._taken.add(_place(child))
        return None

    def _read(self, child: Manifest) -> Manifest | None:
        metadata = child["metadata"]
        return self._cluster.read_metadata(KINDS[child["kind"]], metadata["namespace"], metadata["name"])


def is_ours(found: Manifest, child: Manifest, uid: str) -> bool:
    """Whether the object of that metadata is the child, or one that was left for it such as a volume that was kept."""
    wanted, carried = child["metadata"]["labels"], found.get("labels") or {}
    is_labelled = all(carried.get(key) == wanted[key] for key in OWN_LABELS)
    return is_labelled and owner_of(found) in (None, uid)


def owner_of(metadata: Manifest) -> str | None:
    """Identity of the object that controls the one of this metadata; None where there is none."""
    owners = metadata.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _place(child: Manifest) -> Place:
    return child["kind"], child["metadata"]["namespace"], child["metadata"]["name"]
