"""Durability: the daemon under load is killed at random moments, for many rounds, over each store.

After each round the store is emptied into the ledger. What was acknowledged has to be in it byte for byte; a copy that no lost reply
explains is a fault, and so is anything that is not a whole letter.
"""

import pathlib
import random
import signal
import time

from daemon import Daemon
from ledger import Ledger
from letters import Letters
from load import Load
from serving import expect
from stores import STORES

CONNECTIONS = 8


def scenes():
    return [scene_of(store) for store in STORES]


def scene_of(store):
    def scene(arguments, directory):
        with store(directory) as place:
            yield from rounds(arguments, pathlib.Path(directory), place)

    scene.__name__ = f"killed_over_{store.name}"
    return scene


def rounds(arguments, directory, store):
    chance = random.Random(f"{arguments.seed}/{store.name}")
    ledger = Ledger(Letters(arguments.seed))
    config = {"gw_save_timeout": "20s", **store.config}
    top = {"spool_threshold": 128 << 10, "spool_dir": str(directory)}
    daemon = Daemon(arguments, directory, config, store.plugins, top=top, environment=store.environment)
    ways = [by_kill, by_kill, by_term, by_hangups, by_memory]
    if hasattr(store, "crash"):
        ways.append(with_its_store)
    counts = {}
    # Each way once, then as chance has it.
    plan = chance.sample(ways, len(ways))
    try:
        for number in range(arguments.rounds):
            way = plan[number] if number < len(plan) else chance.choice(ways)
            daemon.start()
            load = Load(daemon.port, ledger, CONNECTIONS, f"{arguments.seed}/{number}")
            time.sleep(chance.uniform(0.1, arguments.seconds))
            fault = way(daemon, load, ledger, store, chance)
            daemon.kill()
            load.finish()
            ledger.enter(store.collect())
            fault = fault or expect(not ledger.missing(), f"{len(ledger.missing())} lost: {ledger.missing()[:3]}")
            counts[way.__name__] = counts.get(way.__name__, 0) + 1
            if fault:
                yield f"round {number}, {way.__name__.replace('_', ' ')}", fault
        # A transaction of the last round may have been on its way when the store was looked at.
        ledger.enter(store.collect())
    finally:
        daemon.kill()
    told = ", ".join(f"{count} {way.replace('_', ' ')}" for way, count in sorted(counts.items()))
    fault = ledger.verdict(deferred_may_be_stored="with_its_store" in counts)
    yield f"{arguments.rounds} rounds ({told}): {ledger.summary()}", fault or expect(ledger.acknowledged, "nothing was sent")


def by_kill(daemon, load, ledger, store, chance):
    daemon.signal(signal.SIGKILL)


def by_term(daemon, load, ledger, store, chance):
    """Ends well, and answers whatever it has wholly received."""
    before = sum(ledger.unanswered.values())
    status = daemon.stop()
    load.finish()
    unanswered = sum(ledger.unanswered.values()) - before
    return expect(status == 0 and not unanswered, f"exit status {status}, {unanswered} mails without an answer")


def by_hangups(daemon, load, ledger, store, chance):
    """A storm of reloads loses nothing; then it is killed in the midst of one."""
    before = sum(ledger.unanswered.values())
    for _ in range(chance.randint(20, 60)):
        daemon.signal(signal.SIGHUP)
        time.sleep(chance.uniform(0.0, 0.02))
    if not daemon.is_alive():
        return f"SIGHUP has ended it: {daemon.process.returncode}"
    unanswered = sum(ledger.unanswered.values()) - before
    daemon.signal(signal.SIGKILL)
    return expect(not unanswered, f"{unanswered} mails without an answer, and nobody was killed")


def by_memory(daemon, load, ledger, store, chance):
    """Allocations begin to fail; if it lives through that for a while, it is killed."""
    daemon.limit_memory(chance.choice([0, 100_000, 1_000_000]))
    deadline = time.monotonic() + chance.uniform(0.2, 1.0)
    while daemon.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    daemon.signal(signal.SIGKILL)


def with_its_store(daemon, load, ledger, store, chance):
    """The store is killed and comes back under a daemon that lives; then that is killed, too."""
    store.crash()
    time.sleep(chance.uniform(0.1, 1.0))
    daemon.signal(signal.SIGKILL)
