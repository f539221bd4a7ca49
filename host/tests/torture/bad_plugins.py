"""Plugins that misbehave while mail flows: whoever meets one hears a 4xx in time, everybody else's mail is stored as ever."""

import pathlib
import threading
import time

from client import Client, Gone
from daemon import Daemon
from overload import P99
from serving import expect, wait_until
from stores import MailDir
from witness import Witness

#: Processors of the test plugin that go wrong for all senders but those that `is_spared` lets pass, and nothing else.
PROCESSORS = [
    "Panics",
    "PanicsInline",
    "PanicsInSettled",
    "FailsToSettle",
    "HoldsAndPanics",
    "HoldsAndDrops",
    "HoldsForever",
    "PendsWithoutHold",
]
#: These go wrong when the store has committed: the client sends such a mail again, and it is stored twice rather than never.
BEHIND_THE_COMMIT = {"PanicsInSettled", "FailsToSettle"}
CLIENTS = 12


def scenes():
    return [scene_of(processor) for processor in PROCESSORS]


def scene_of(processor):
    def scene(arguments, directory):
        yield from meets(arguments, pathlib.Path(directory), processor)

    scene.__name__ = f"{processor}_under_load"
    return scene


def taken_again(daemon):
    """Whether mail is taken; a stage that has failed too often is tried again after half a minute at most."""
    client = Client(daemon.port)
    reply = client.mail(b"Subject: after\r\n\r\nAll well.\r\n", ["after@example.test"], "fine@example.com")
    client.close()
    return reply.startswith("250")


def meets(arguments, directory, processor):
    """Half of the mail goes wrong in the plugin, behind a store that has prepared it already."""
    store = MailDir(directory)
    config = {**store.config, "save_process": f"Header|MailDir|{processor}", "gw_save_timeout": "2s"}
    with Daemon(arguments, directory, config, ["maildir", "misbehaving-plugin"], {"max_errors": 100_000}) as daemon:
        replies, lock, stop = {}, threading.Lock(), threading.Event()

        def send():
            try:
                client = Client(daemon.port)
                while not stop.is_set():
                    reply = client.mail(b"Subject: wrong\r\n\r\nHello.\r\n", ["wrong@example.test"], "wrong@example.com")
                    with lock:
                        replies[reply[:9]] = replies.get(reply[:9], 0) + 1
                client.close()
            except Gone as gone:
                with lock:
                    replies[f"--- {gone}"] = replies.get(f"--- {gone}", 0) + 1

        threads = [threading.Thread(target=send, daemon=True) for _ in range(CLIENTS)]
        with Witness(daemon.port, sender="fine@example.com") as witness:
            for thread in threads:
                thread.start()
            time.sleep(arguments.seconds)
            stop.set()
            for thread in threads:
                thread.join(60)
        count = sum(replies.values())
        yield f"{count} mails met it and were deferred", expect(count and all(reply[0] == "4" for reply in replies), replies)
        # Where a stage has failed too often it is not called for a while, and all its mail is deferred: nobody waits for it.
        yield (
            f"{witness.told()}, {len(witness.failures)} deferred",
            expect(
                all(failure.startswith("451 4.3.0") for failure in witness.failures) and witness.at(0.99) < P99 or not witness.seconds,
                witness.failures[:3],
            ),
        )
        daemon.wait_for_no_connections(20.0)
        yield "it goes on", expect(wait_until("mail is taken", lambda: taken_again(daemon), 60.0), "it does not")
        if processor not in BEHIND_THE_COMMIT:
            wrong = list(store.path.glob("wrong/new/*"))
            yield "nothing of theirs is stored", expect(not wrong, f"{len(wrong)} mails")
        taken = list(store.path.glob("well/new/*"))
        yield (
            f"{len(taken)} of the others' mails are stored",
            expect(len(taken) == len(witness.seconds), f"{len(witness.seconds)} were acknowledged"),
        )
        status = daemon.stop()
        yield "it ends well", expect(status == 0, status)
        yield "nothing is left in tmp", expect(not store.unfinished(), store.unfinished()[:3])
