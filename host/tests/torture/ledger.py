"""Double-entry book-keeping: what clients heard on one page, what stores hold on the other, and whether both agree."""

import collections
import threading
import time


class Ledger:
    """What was sent, heard and found in one run."""

    def __init__(self, letters):
        self.letters = letters
        #: When each acknowledged mail was heard to be, by number (monotonic seconds).
        self.acknowledged = {}
        #: Ends of mails that were sent and never answered, by number: each may have been stored.
        self.unanswered = collections.Counter()
        #: Replies of 4xx to a whole mail, by number.
        self.deferred = collections.Counter()
        #: Replies that nobody should hear: 5xx.
        self.refused = []
        #: Copies found in the store, by number and recipient (None where the store has one copy for all).
        self.found = collections.Counter()
        self.faults = []
        self._lock = threading.Lock()
        self._next, self._again = 0, []

    def take(self):
        """The next mail to be sent: one that is not acknowledged yet, or a new one."""
        with self._lock:
            if self._again:
                return self._again.pop()
            self._next += 1
            return self._next - 1

    def heard(self, number, reply):
        with self._lock:
            if reply.startswith("250"):
                self.acknowledged[number] = time.monotonic()
                return
            if reply.startswith("4"):
                self.deferred[number] += 1
            else:
                self.refused.append(f"{number}: {reply}")
            self._again.append(number)

    def gone(self, number, unanswered):
        """The connection ended before a reply: the mail is sent again."""
        with self._lock:
            self.unanswered[number] += unanswered
            self._again.append(number)

    def enter(self, stored):
        """Notes what was found in a store: (recipient or None, bytes)."""
        for recipient, octets in stored:
            try:
                self.found[self.letters.number_of(octets), recipient] += 1
            except ValueError as error:
                self.faults.append(str(error))

    def missing(self):
        """What was acknowledged and is not there."""
        return [
            f"{number} for {recipient or 'all'}"
            for number in self.acknowledged
            for recipient in self.letters.recipients(number)
            if not (self.found[number, recipient] or self.found[number, None])
        ]

    def surplus(self, deferred_may_be_stored=False):
        """Copies that no lost reply explains."""
        surplus = []
        for (number, recipient), copies in self.found.items():
            allowed = (number in self.acknowledged) + self.unanswered[number]
            if deferred_may_be_stored:
                allowed += self.deferred[number]
            if copies > allowed:
                surplus.append(f"{number} for {recipient or 'all'}: {copies} copies, {allowed} explained")
        return surplus

    def twice(self):
        """Copies of acknowledged mails beyond the first."""
        return sum(copies - 1 for copies in self.found.values() if copies > 1)

    def verdict(self, **how):
        """The fault of the whole book, or None."""
        for what, list_ in (
            ("acknowledged and missing", self.missing()),
            ("wrong", self.faults),
            ("stored without a reason", self.surplus(**how)),
            ("refused for good", self.refused),
        ):
            if list_:
                return f"{len(list_)} {what}: {list_[:3]}"
        return None

    def summary(self):
        return (
            f"{len(self.acknowledged)} acknowledged, {sum(self.unanswered.values())} ends unanswered, "
            f"{sum(self.deferred.values())} deferred, {sum(self.found.values())} copies found, {self.twice()} of them a second one"
        )
