"""Overload: more than there is room for. Others are served meanwhile, memory stays within its budget, and it passes by itself."""

import contextlib
import pathlib
import random
import signal
import socket
import struct
import threading
import time

from client import Client, Gone
from daemon import Daemon
from serving import expect, wait_until
from stores import MailDir, Redis
from witness import Witness

MIB = 1 << 20
#: Of memory beyond max_memory: buffers of the connections that are busy, what each thread keeps for bodies (12 MiB), and what the
#: allocator keeps.
SLACK = 72 * MIB
#: Seconds that a well-behaved client's mail may take, on a machine that the attackers share.
P99 = 2.0


def scenes():
    return [
        more_clients_than_places, a_crowd_of_one_network, more_data_than_memory, clients_that_never_read,
        floods_of_connects_and_resets, a_stalled_backend,
    ]  # fmt: skip


class Peak:
    """The most memory that a daemon has had while the `with` block lasts."""

    def __init__(self, daemon):
        self._daemon, self.most = daemon, daemon.memory()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(0.02):
            with contextlib.suppress(OSError, TypeError):
                self.most = max(self.most, self._daemon.memory())


def maildir_daemon(arguments, directory, server=None, backend=None, **more):
    store = MailDir(directory)
    return Daemon(arguments, directory, {**store.config, **(backend or {})}, store.plugins, server=server, **more)


def connect(port, source=None, buffer=None):
    """A socket to the daemon whose greeting nobody has read."""
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    if source:
        connection.bind((source, 0))
    connection.settimeout(30)
    connection.connect(("127.0.0.1", port))
    return connection


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def recovered(daemon, seconds=20.0):
    """The fault, if the daemon does not get rid of everybody or a new client is not served."""
    try:
        daemon.wait_for_no_connections(seconds)
        reply = Client(daemon.port, seconds=seconds).mail(b"Subject: after\r\n\r\nAll well.\r\n", ["after@example.test"])
    except (RuntimeError, Gone) as error:
        return str(error)
    return expect(reply.startswith("250"), reply)


def more_clients_than_places(arguments, directory):
    places = 50
    with maildir_daemon(arguments, directory, {"max_clients": places}) as daemon:
        # Whoever is in stays in, and is served.
        with Witness(daemon.port, stay=True) as witness, Peak(daemon) as peak:
            turned_away, others, held = 0, [], []
            end = time.monotonic() + arguments.seconds
            while time.monotonic() < end:
                connection = connect(daemon.port)
                greeting = connection.recv(4)
                if greeting.startswith(b"220"):
                    held.append(connection)
                    continue
                turned_away += greeting.startswith(b"421")
                if not greeting.startswith(b"421"):
                    others.append(greeting)
                connection.close()
            for connection in held:
                connection.close()
        yield (
            f"{turned_away} beyond max_clients heard 421",
            expect(turned_away > places and len(held) == places - 1 and not others, others[:3]),
        )
        yield witness.told(), witness.fault(P99)
        yield f"memory at most {peak.most // MIB} MiB", expect(peak.most < SLACK, peak.most)
        yield "then all places are free again", recovered(daemon)


def a_crowd_of_one_network(arguments, directory):
    """One network holds all that it may, from every address it has; a client of another is let in all the same."""
    with maildir_daemon(arguments, directory, {"max_clients": 200, "max_clients_per_ip": 20}) as daemon:
        with Witness(daemon.port) as witness:
            held, turned_away = [], 0
            end = time.monotonic() + arguments.seconds
            while time.monotonic() < end:
                connection = connect(daemon.port, source="127.0.0.66")
                if connection.recv(4).startswith(b"220"):
                    held.append(connection)
                else:
                    turned_away += 1
                    connection.close()
            for connection in held:
                connection.close()
        yield f"{len(held)} of one network were let in, {turned_away} were not", expect(len(held) == 20 and turned_away > 20, len(held))
        yield witness.told(), witness.fault(P99)
        yield "then it may come again", recovered(daemon)


def more_data_than_memory(arguments, directory):
    budget = 32 * MIB
    server = {"max_size": 16 * MIB, "max_clients": 200, "timeout": 30}
    top = {"max_memory": budget, "spool_threshold": 8 * MIB, "spool_dir": str(directory)}
    with maildir_daemon(arguments, directory, server, top=top) as daemon, Peak(daemon) as peak:
        counts, lock = {}, threading.Lock()
        together = threading.Barrier(24)

        def send():
            # Seven MiB from each at the same time: five times what may be held in memory.
            try:
                client = Client(daemon.port)
                together.wait(60)
                reply = client.mail(b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * (7 * MIB // 78), ["large@example.test"])
                client.close()
            except (Gone, threading.BrokenBarrierError) as error:
                reply = f"--- {error}"
            with lock:
                counts[reply[:9]] = counts.get(reply[:9], 0) + 1

        threads = [threading.Thread(target=send, daemon=True) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        taken, deferred = counts.get("250 2.0.0", 0), counts.get("452 4.3.1", 0)
        yield (
            f"of 24 mails of 7 MiB at once {taken} were taken and {deferred} deferred",
            expect(taken and deferred and taken + deferred == 24, counts),
        )
        yield f"memory at most {peak.most // MIB} MiB of {budget // MIB} and a little", expect(peak.most < budget + SLACK, peak.most)
        stored = len(list(pathlib.Path(directory).glob("mail/large/new/*")))
        yield "what was taken is stored, what was deferred is not", expect(stored == taken, f"{stored} files")
        yield "then there is room again", recovered(daemon)


def clients_that_never_read(arguments, directory):
    """Clients that ask and ask and read no answer: the daemon stops reading theirs, and hangs up in time."""
    count = min(300, arguments.connections)
    with maildir_daemon(arguments, directory, {"timeout": 2, "max_clients": count + 50}) as daemon:
        with Witness(daemon.port) as witness, Peak(daemon) as peak:
            deaf = [connect(daemon.port, buffer=4096) for _ in range(count)]
            questions = b"EHLO client.example\r\n" + b"NOOP\r\n" * 10_000
            for connection in deaf:
                connection.setblocking(False)
            open_, sent = set(deaf), 0
            end = time.monotonic() + 60
            while open_ and time.monotonic() < end:
                for connection in list(open_):
                    try:
                        sent += connection.send(questions)
                    except BlockingIOError:
                        continue
                    except OSError:
                        open_.discard(connection)
                time.sleep(0.05)
        yield (
            f"{count} clients that read nothing were hung up on, {sent // MIB} MiB of questions later",
            expect(not open_, f"{len(open_)} were not"),
        )
        yield witness.told(), witness.fault(P99)
        yield f"memory at most {peak.most // MIB} MiB", expect(peak.most < SLACK + count * 200_000, peak.most)
        for connection in deaf:
            connection.close()
        yield "then it is as before", recovered(daemon)


def floods_of_connects_and_resets(arguments, directory):
    with maildir_daemon(arguments, directory, {"max_clients": 1000}) as daemon:
        with Witness(daemon.port) as witness, Peak(daemon) as peak:
            chance, count = random.Random(arguments.seed), 0
            end = time.monotonic() + arguments.seconds
            while time.monotonic() < end:
                burst = [connect(daemon.port) for _ in range(50)]
                for connection in burst:
                    how = chance.randrange(4)
                    with contextlib.suppress(OSError):
                        if how == 1:
                            connection.send(b"EHLO client.exam")
                        elif how == 2:
                            connection.send(
                                b"EHLO c.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nhalf a mai"
                            )
                    if how == 3:
                        connection.close()
                    else:
                        reset(connection)
                count += len(burst)
        yield f"{count} connections came and were reset", expect(count > 200, count)
        yield witness.told(), witness.fault(P99)
        yield f"memory at most {peak.most // MIB} MiB", expect(peak.most < SLACK, peak.most)
        yield "none of them is left", recovered(daemon)
        yield "nothing of them was stored", expect(not list(pathlib.Path(directory).glob("mail/b/*/*")), "half a mail")


def a_stalled_backend(arguments, directory):
    """The store hangs: clients hear 451 in time, everything else is answered at once, and the first mail after it is back is stored."""
    with Redis(directory) as store:
        config = {**store.config, "gw_save_timeout": "3s", "redis_timeout_seconds": 1}
        with Daemon(arguments, directory, config, store.plugins, {"max_clients": 500}) as daemon:
            store.server.signal(signal.SIGSTOP)
            replies, lock = [], threading.Lock()

            def send(number):
                begun = time.monotonic()
                try:
                    reply = Client(daemon.port).mail(b"Subject: stalled\r\n\r\nHello.\r\n", [f"user{number}@example.test"])
                except Gone as gone:
                    reply = f"--- {gone}"
                with lock:
                    replies.append((reply, time.monotonic() - begun))

            threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(100)]
            for thread in threads:
                thread.start()
            slowest, questions = 0.0, 0
            client = Client(daemon.port)
            while any(thread.is_alive() for thread in threads):
                begun = time.monotonic()
                client.ask("NOOP")
                slowest, questions = max(slowest, time.monotonic() - begun), questions + 1
                time.sleep(0.02)
            client.close()
            store.server.signal(signal.SIGCONT)
            late = max(took for _, took in replies)
            yield (
                f"100 mails were deferred within {late:.1f} s",
                expect(
                    all(reply.startswith("451 4.3.0") for reply, _ in replies) and late < 8.0,
                    [reply for reply in replies if reply[0][:3] != "451"][:3] or late,
                ),
            )
            yield (
                f"{questions} other questions were answered meanwhile, the last within {slowest * 1000:.0f} ms",
                expect(slowest < P99, slowest),
            )
            wait_until("the store answers", lambda: store.server.try_cli("PING").strip() == "PONG")
            yield "then mail is stored again", recovered(daemon)
