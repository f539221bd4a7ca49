"""What the runner knows of a contender."""


class Unavailable(Exception):
    """It cannot be had here; the text says why, in one line."""


class Contender:
    """`tls`: takes the TLS points. `durable`: keeps what it acknowledges, so it is asked for the durable points only."""

    tls = durable = False

    def __init__(self, name, about):
        self.name, self.about = name, about

    def prepare(self):
        """Gets what it needs, once. Raises Unavailable."""

    def start(self, directory, certificate):
        """A running Server with files below `directory`; `certificate` is a pair of paths or None."""
        raise NotImplementedError

    def settle(self, directory):
        """Waits until a server with a queue has delivered everything; the load counts until then."""
