"""The one error of this folder."""


class DepsError(Exception):
    """A library cannot be fetched or built; the text says which, and why."""
