"""The disk fails, falls short, is full or slow, and descriptors run out, all under load: mail is deferred, none is lost or kept by half.

`faults.c` stands between the daemon and the C library, below the store's directory only. What it does can be changed while
the daemon runs.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import pathlib
import sqlite3
import subprocess
import time

from client import Client, Gone
from daemon import Daemon
from ledger import Ledger
from letters import Letters
from load import Load
from serving import expect
from stores import MailDir, Sqlite

CONNECTIONS = 8
FAULTS = {
    "short writes": {"short_write": 300},
    "EIO on write": {"write_error": 100, "write_errno": errno.EIO},
    "ENOSPC on write": {"write_error": 300, "write_errno": errno.ENOSPC},
    "EIO on fsync": {"sync_error": 100, "sync_errno": errno.EIO},
    "EMFILE on open": {"open_error": 300, "open_errno": errno.EMFILE},
    "EIO on rename": {"rename_error": 200, "rename_errno": errno.EIO},
    "a slow disk": {"slow_ms": 20},
    "all of it": {
        "short_write": 100, "write_error": 20, "write_errno": errno.EIO, "sync_error": 20, "sync_errno": errno.EIO, "open_error": 20,
        "open_errno": errno.ENFILE, "rename_error": 20, "rename_errno": errno.EIO, "slow_ms": 3,
    },
}  # fmt: skip


def scenes():
    return [maildir_on_a_failing_disk, sqlite_on_a_failing_disk, what_250_waits_for, descriptors_run_out, sqlite_on_a_full_disk]


class Control(ctypes.Structure):
    """As `struct control` in `faults.c`."""

    _fields_ = [
        (name, ctypes.c_uint32)
        for name in (
            "short_write", "write_error", "sync_error", "open_error", "rename_error", "write_errno", "sync_errno", "open_errno",
            "rename_errno", "slow_ms", "injected",
        )
    ]  # fmt: skip


class Shim:
    """The library between the daemon and its disk, for what lies below `below`."""

    def __init__(self, directory, below):
        directory = pathlib.Path(directory)
        library, file, self.trace = directory / "faults.so", directory / "faults", directory / "trace"
        source = pathlib.Path(__file__).resolve().parent / "faults.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", library, source, "-ldl"], check=True)
        file.write_bytes(bytes(ctypes.sizeof(Control)))
        with open(file, "r+b") as handle:
            self._map = mmap.mmap(handle.fileno(), ctypes.sizeof(Control))
        self._control = Control.from_buffer(self._map)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULTS_BELOW": str(below),
            "FAULTS_CONTROL": str(file),
            "FAULTS_TRACE": str(self.trace),
        }

    @contextlib.contextmanager
    def failing(self, faults):
        """Does this in the `with` block."""
        self._control.injected = 0
        # What it is to say comes before the chance that it does.
        for name in sorted(faults, key=lambda name: "errno" not in name):
            setattr(self._control, name, faults[name])
        yield
        for name in faults:
            setattr(self._control, name, 0)

    @property
    def injected(self):
        return self._control.injected


def taken_again(daemon):
    """The fault, if the first mail on a disk in order is not taken."""
    try:
        reply = Client(daemon.port).mail(b"Subject: after\r\n\r\nAll well.\r\n", ["after@example.test"])
    except Gone as gone:
        return str(gone)
    return expect(reply.startswith("250"), reply)


def failing_disk(arguments, directory, store, below, kinds=FAULTS, deferred_may_be_stored=False):
    """Each kind of fault under load for a while, then the book."""
    shim = Shim(directory, below)
    ledger = Ledger(Letters(arguments.seed))
    with Daemon(arguments, directory, store.config, store.plugins, environment=shim.environment) as daemon:
        for name, faults in kinds.items():
            before = sum(ledger.deferred.values()), len(ledger.acknowledged)
            load = Load(daemon.port, ledger, CONNECTIONS, f"{arguments.seed}/{name}", patient=True)
            with shim.failing(faults):
                time.sleep(arguments.seconds)
                injected = shim.injected
            load.stop()
            if not injected and "slow_ms" not in faults:
                yield name, "nothing was made to fail"
            deferred, taken = sum(ledger.deferred.values()) - before[0], len(ledger.acknowledged) - before[1]
            yield f"{name}: {injected} calls failed, {deferred} mails deferred, {taken} taken; then the next one is", taken_again(daemon)
        status = daemon.stop()
        yield "it ends well, and nothing has panicked", expect(status == 0 and "panic" not in daemon.log(), status)
    ledger.enter(entry for entry in store.collect() if b"Subject: after" not in entry[1])
    lost = [number for number in ledger.unanswered if ledger.unanswered[number]]
    yield "every mail had an answer", expect(not lost, lost[:3])
    yield ledger.summary(), ledger.verdict(deferred_may_be_stored=deferred_may_be_stored)


def maildir_on_a_failing_disk(arguments, directory):
    store = MailDir(directory)
    store.path.mkdir()
    yield from failing_disk(arguments, directory, store, store.path)
    yield "nothing is left in tmp", expect(not store.unfinished(), store.unfinished()[:3])


def sqlite_on_a_failing_disk(arguments, directory):
    below = pathlib.Path(directory) / "database"
    below.mkdir()
    # SQLite makes no files while it runs and renames none.
    kinds = {name: faults for name, faults in FAULTS.items() if name not in ("EMFILE on open", "EIO on rename")}
    yield from failing_disk(arguments, directory, Sqlite(below), below, kinds, deferred_may_be_stored=True)


def what_250_waits_for(arguments, directory):
    """Each copy of an acknowledged mail was synced, then moved into `new`, and `new` synced, before the client heard 250."""
    store = MailDir(directory)
    store.path.mkdir()
    shim = Shim(directory, store.path)
    ledger = Ledger(Letters(arguments.seed))
    with Daemon(arguments, directory, store.config, store.plugins, environment=shim.environment) as daemon:
        load = Load(daemon.port, ledger, CONNECTIONS, arguments.seed)
        time.sleep(arguments.seconds)
        load.stop()
        daemon.stop()
    synced, moved = {}, {}
    for line in shim.trace.read_text().splitlines():
        what, when, path, to = line.split("\t")
        if what == "sync":
            synced.setdefault(path, []).append(float(when))
        else:
            moved[to] = (float(when), path)
    faults = []
    files = list(store.path.glob("*/new/*"))
    for file in files:
        when, source = moved[str(file)]
        heard = ledger.acknowledged[ledger.letters.number_of(file.read_bytes())]
        if not any(at < when for at in synced.get(source, [])):
            faults.append(f"{file.name} was not synced before it was moved")
        if not any(when < at < heard for at in synced.get(str(file.parent), [])):
            faults.append(f"{file.parent} was not synced between the move of {file.name} and its 250")
    yield (
        f"{len(files)} copies of {len(ledger.acknowledged)} mails: synced, moved, made known, and then acknowledged",
        expect(files and not faults, f"{len(faults)}: {faults[:3]}"),
    )


def descriptors_run_out(arguments, directory):
    store = MailDir(directory)
    ledger = Ledger(Letters(arguments.seed))
    with Daemon(arguments, directory, store.config, store.plugins) as daemon:
        Client(daemon.port).close()
        for more in (0, 3, 8, 20):
            before = len(ledger.acknowledged)
            load = Load(daemon.port, ledger, 16, f"{arguments.seed}/{more}", patient=True)
            time.sleep(arguments.seconds / 4)
            daemon.limit_descriptors(more)
            crowd = Load(daemon.port, ledger, 16, f"{arguments.seed}/{more}/crowd", patient=True)
            time.sleep(arguments.seconds)
            daemon.limit_descriptors(None)
            load.stop()
            crowd.stop()
            yield (
                f"with {more} more than it has: {len(ledger.acknowledged) - before} mails taken; then the next one is",
                taken_again(daemon),
            )
        status = daemon.stop()
        yield "it ends well, and nothing has panicked", expect(status == 0 and "panic" not in daemon.log(), status)
    ledger.enter(entry for entry in store.collect() if b"Subject: after" not in entry[1])
    yield ledger.summary(), ledger.verdict()
    yield "nothing is left in tmp", expect(not store.unfinished(), store.unfinished()[:3])


@contextlib.contextmanager
def file_system(directory, mebibytes):
    """A small file system in memory."""
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def sqlite_on_a_full_disk(arguments, directory):
    """Database and spool share 12 MiB; what was stored is taken out under way, and mail is taken again."""
    if os.getuid() != 0:
        yield "not run: mounting a file system needs root", None
        return
    with file_system(pathlib.Path(directory) / "small", 12) as small:
        yield from filled_again_and_again(arguments, directory, Sqlite(small), small)


def filled_again_and_again(arguments, directory, store, small):
    top = {"spool_threshold": 64 << 10, "spool_dir": str(small)}
    ledger = Ledger(Letters(arguments.seed))
    with Daemon(arguments, directory, store.config, store.plugins, top=top) as daemon:
        for turn in range(2):
            before = sum(ledger.deferred.values()), len(ledger.acknowledged)
            load = Load(daemon.port, ledger, CONNECTIONS, f"{arguments.seed}/{turn}", patient=True)
            deadline = time.monotonic() + 30
            while sum(ledger.deferred.values()) - before[0] < 50 and time.monotonic() < deadline:
                time.sleep(0.05)
            load.stop()
            deferred, taken = sum(ledger.deferred.values()) - before[0], len(ledger.acknowledged) - before[1]
            yield f"full: {taken} mails taken, {deferred} deferred", expect(deferred >= 50 and taken, "it does not fill up")
            # SQLite needs room to remove rows.
            subprocess.run(["mount", "-o", f"remount,size={12 * 3 ** (turn + 1)}m", small], check=True)
            with contextlib.closing(sqlite3.connect(store.path, timeout=30)) as database:
                ledger.enter(database.execute("SELECT recipient, mail FROM new_mail WHERE subject <> 'after'").fetchall())
                database.execute("DELETE FROM new_mail")
                database.commit()
            yield "with room the next mail is taken", taken_again(daemon)
        status = daemon.stop()
        yield "it ends well", expect(status == 0, status)
    yield ledger.summary(), ledger.verdict(deferred_may_be_stored=True)
