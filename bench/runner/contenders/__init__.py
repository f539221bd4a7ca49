"""The contenders: one entry each. Nothing is installed into the system; what cannot be had is skipped with a line."""

from . import go_guerrilla, interpreted, mtas, ours
from .contender import Unavailable  # noqa: F401  for whoever calls prepare()
from .floor import Floor


def table(target):
    """Every contender by name, in the order of the report."""
    entries = (Floor(target), *mtas.entries(target), *interpreted.entries(target), *go_guerrilla.entries(), *ours.entries(target))
    return {entry.name: entry for entry in entries}
