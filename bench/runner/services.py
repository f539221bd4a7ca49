"""Private servers that our processors store in: own port, own directory, as durable as their makers have them by default."""

import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time

from . import processes
from .contenders.contender import Unavailable

PASSWORD = "benchmark"


class Service:
    """Programs it needs, the Debian package they are in; `start` gives the process and settings for backend_config."""

    programs, package = (), ""

    def prepare(self):
        for program in self.programs:
            if not shutil.which(program):
                raise Unavailable(f"no {program} here: apt-get install {self.package}")

    def start(self, directory):
        raise NotImplementedError


class RedisServer(Service):
    """In memory: what is asked about is the way there."""

    programs, package = ("redis-server",), "redis-server"

    def start(self, directory):
        port = processes.free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
        helper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait("redis-server", lambda: processes.listens(port))
        return helper, {"redis_interface": f"127.0.0.1:{port}", "redis_expire_seconds": 60}


class NatsServer(Service):
    """One server with a JetStream in its file. From 2.10 on it syncs that file before it answers; older ones cannot be told
    to, and sync it every two minutes."""

    programs, package = ("nats-server",), "nats-server"

    def start(self, directory):
        home, port = pathlib.Path(directory, "nats"), processes.free_port()
        home.mkdir()
        sync = ", sync_interval: always" if self.version() >= (2, 10) else ""
        config = home / "nats.conf"
        config.write_text(
            f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{home}/js", max_mem: 64MB, max_file: 64GB{sync} }}\n'
        )
        with open(home / "output", "wb") as output:
            helper = subprocess.Popen(["nats-server", "-c", str(config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait("nats-server", lambda: processes.listens(port))
        return helper, {
            "nats_url": f"nats://127.0.0.1:{port}", "nats_stream": "MAIL", "nats_create_replicas": 1,
        }  # fmt: skip

    @staticmethod
    def version():
        said = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(number) for number in re.search(r"(\d+)\.(\d+)", said).groups())


class MariaDb(Service):
    """Each commit is on the disk (innodb_flush_log_at_trx_commit=1)."""

    programs, package = ("mariadbd", "mariadb", "mariadb-install-db", "setpriv"), "mariadb-server"

    def start(self, directory):
        home = pathlib.Path(directory, "mariadb")
        home.mkdir(mode=0o755)
        # The shorter place: the path of a socket has 107 octets.
        data, socket, port = home / "data", home / "s", processes.free_port()
        data.mkdir()
        if os.geteuid() == 0:
            for path in (home, data):
                shutil.chown(path, "mysql", pwd.getpwnam("mysql").pw_gid)
        common = ["--no-defaults", f"--datadir={data}", "--skip-name-resolve"]
        install = ["mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
        subprocess.run(as_mysql(install), cwd=data, check=True, capture_output=True)
        command = [
            "mariadbd", *common, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={socket}", f"--pid-file={home}/pid",
            "--innodb-flush-log-at-trx-commit=1", "--max-allowed-packet=64M",
        ]  # fmt: skip
        with open(home / "output", "wb") as output:
            helper = subprocess.Popen(as_mysql(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=data)
        client = ["mariadb", "--no-defaults", f"--socket={socket}", "--user=root"]
        wait("mariadbd", lambda: not subprocess.run([*client, "-e", "SELECT 1"], capture_output=True, check=False).returncode)
        grant = f"CREATE DATABASE mail; CREATE USER mail@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON mail.* TO mail@'%'"
        subprocess.run([*client, "-e", grant], check=True, capture_output=True)
        return helper, {
            "sql_driver": "mysql", "sql_dsn": f"mail:{PASSWORD}@tcp(127.0.0.1:{port})/mail", "sql_create_table": True,
        }  # fmt: skip


def as_mysql(command):
    """It refuses to run as root."""
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    account = pwd.getpwnam("mysql")
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *words]


def wait(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} does not answer within {seconds} s")
        time.sleep(0.05)
