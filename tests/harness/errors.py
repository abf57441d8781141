"""The one error that the harness raises."""


class HarnessError(Exception):
    """A part of the cluster could not be built, started or stopped; the message says which, and what was found."""
