"""What storing costs without a mail server: the rates that durable contenders are held against, measured in the same rounds."""

import shutil
import subprocess
import time

from . import services
from .contenders.contender import Unavailable

MESSAGE = 10 << 10
ROWS = 50


class Limit:
    """A rate, and the contenders (by name) that it is the limit of."""

    def __init__(self, name, about, of):
        self.name, self.about, self.of = name, about, of

    def prepare(self):
        """Gets what it needs, once. Raises Unavailable."""

    def rate(self, directory, seconds):
        """Messages a second."""
        raise NotImplementedError


class Disk(Limit):
    """`disk-limit`, with 100 clients."""

    def __init__(self, target, name, about, way, of):
        super().__init__(name, about, of)
        self.program, self.way = target / "bench/release/disk-limit", way

    def prepare(self):
        if not self.program.exists():
            raise Unavailable(f"{self.program} is not built: make bench")

    def rate(self, directory, seconds):
        command = [self.program, directory, "--way", self.way, "--threads", "100", "-d", str(seconds), "-s", str(MESSAGE)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class MariaDbRows(Limit):
    """Its own client, which sends the same INSERT of many rows again and again."""

    def prepare(self):
        services.MariaDb().prepare()

    def rate(self, directory, seconds):
        helper, _ = services.MariaDb().start(directory)
        try:
            client = ["mariadb", "--no-defaults", f"--socket={directory}/mariadb/s", "--user=root", "mail"]
            table = "CREATE TABLE mails (id BIGINT AUTO_INCREMENT PRIMARY KEY, mail LONGBLOB NOT NULL)"
            subprocess.run([*client, "-e", table], check=True, capture_output=True)
            row = "('" + "x" * MESSAGE + "')"
            statement = f"INSERT INTO mails (mail) VALUES {','.join([row] * ROWS)};\n".encode()
            begun, count = time.monotonic(), 0
            process = subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            # A pipe holds less than a statement, so this goes at the pace of the database.
            while time.monotonic() - begun < seconds:
                process.stdin.write(statement)
                count += ROWS
            process.stdin.close()
            if process.wait():
                raise RuntimeError(f"{' '.join(client)}: status {process.returncode}")
            return count / (time.monotonic() - begun)
        finally:
            helper.terminate()
            helper.wait()


class RedisSet(Limit):
    """`redis-benchmark`, with 10 clients that wait for each answer."""

    def prepare(self):
        services.RedisServer().prepare()
        if not shutil.which("redis-benchmark"):
            raise Unavailable("no redis-benchmark here: apt-get install redis-tools")

    def rate(self, directory, seconds):
        helper, settings = services.RedisServer().start(directory)
        try:
            port = settings["redis_interface"].rpartition(":")[2]
            command = ["redis-benchmark", "-p", port, "-t", "set", "-c", "10", "-d", str(MESSAGE), "-r", "100000", "--csv", "-n"]
            done = subprocess.run([*command, str(int(20000 * seconds))], check=True, capture_output=True, text=True)
            return float(done.stdout.splitlines()[-1].split(",")[1].strip('"'))
        finally:
            helper.terminate()
            helper.wait()


def table(target):
    """Every limit by name."""
    entries = (
        Disk(target, "disk-files", "100 threads: a file each, synced, moved, the directory synced", "files",
             ("ours-maildir", "postfix", "exim", "opensmtpd")),
        Disk(target, "disk-log", "100 threads: one file, synced for all that wait", "log", ("ours-sqlite", "ours-sqlite-single")),
        MariaDbRows("mariadb-rows", f"inserts of {ROWS} rows by one client", ("ours-mariadb", "ours-mariadb-single")),
        RedisSet("redis-set", "redis-benchmark, 10 clients", ("ours-redis",)),
    )  # fmt: skip
    return {entry.name: entry for entry in entries}
