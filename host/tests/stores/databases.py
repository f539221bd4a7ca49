"""Private database servers from Debian packages: a data directory, a port and a life of their own.

They refuse to run as root; then they become the user that their package has made.
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

from private import SECONDS, PrivateAuthority, PrivateDisk, free_port, run, wait_until

PASSWORD = "hunter2-never-seen"


class Server:
    """A database server below `directory`. It is ended with the `with` block.

    With `room` its data has a file system of its own, of so many megabytes, that only it can see.
    """

    user = "nobody"

    def __init__(self, directory, room=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.directory.mkdir(mode=0o755)
        self.port = free_port()
        self.process = self._disk = None
        for folder in (self.data, self.directory / "run"):
            folder.mkdir(mode=0o700)
            self.give(folder)
        try:
            if room:
                self._disk = PrivateDisk(self.data, room, self.user)
            self.install()
            self.start()
            self.prepare()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        if self._disk:
            self._disk.close()

    def give(self, path):
        if os.getuid() == 0:
            shutil.chown(path, self.user, pwd.getpwnam(self.user).pw_gid)

    def as_user(self, command):
        words = [str(word) for word in command]
        if os.getuid() == 0:
            account = pwd.getpwnam(self.user)
            words = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *words]
        return [*self._disk.inside(), *words] if self._disk else words

    def full(self):
        """While the block runs, there is no room left on its disk."""
        return self._disk.full()

    def start(self):
        """Starts it and waits until it answers."""
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                self.as_user(self.command()), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.data,
            )  # fmt: skip
        wait_until("the database server answers", lambda: self.answers() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.user} did not start: {(self.directory / 'output').read_text()[-2000:]}")

    def kill(self):
        """Ends it without warning, as a crash does."""
        if self.process and self.process.poll() is None:
            # One that is halted makes no more processes. Whoever starts it again finds its memory in use until they all have ended.
            self.process.send_signal(signal.SIGSTOP)
            children = self.children()
            self.signal(signal.SIGKILL)
            self.process.wait()
            wait_until("all processes of the database have ended", lambda: not any(lives(pid) for pid in children))

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def signal(self, number):
        """To all of its processes; PostgreSQL has one for each connection, in a process group of its own."""
        for pid in [self.process.pid, *self.children()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def children(self):
        pid = self.process.pid
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def ask(self, sql):
        """Rows as lists of texts, by the database's own client."""
        done = self.run_client(sql)
        if done.returncode != 0:
            raise RuntimeError(f"{sql}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]


class MariaDb(Server):
    user = "mysql"
    name = "mariadb"
    driver = "mysql"
    quote = "`"
    hex_ip = "HEX(ip_addr)"
    hex_mail = "HEX(mail)"
    forbidden = "--read-only"

    def install(self):
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db", "--skip-name-resolve"]
        run(self.as_user([*install, "--auth-root-authentication-method=normal", *self._small()]), cwd=self.data)

    def command(self):
        files = {"socket": "run/sock", "pid-file": "run/pid"}
        if (self.directory / "tls" / "server.pem").exists():
            files |= {"ssl-ca": "tls/ca.pem", "ssl-cert": "tls/server.pem", "ssl-key": "tls/server.key"}
        options = [f"--{option}={self.directory / path}" for option, path in files.items()]
        options += self._small()
        return ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--port={self.port}", "--bind-address=127.0.0.1",
                "--skip-name-resolve", "--max-allowed-packet=1M", "--innodb-flush-log-at-trx-commit=1", *options]  # fmt: skip

    def _small(self):
        """On a small disk as little beforehand as can be."""
        if not self._disk:
            return []
        return ["--innodb-log-file-size=4M", "--innodb-data-file-path=ibdata1:24M:autoextend", "--innodb-undo-tablespaces=0"]

    def prepare(self):
        self.run_client("CREATE DATABASE mail", database="")
        for account, more in (("mail", ""), ("tls", " REQUIRE SSL")):
            self.ask(f"CREATE USER {account}@'%' IDENTIFIED BY '{PASSWORD}'{more}")
            self.ask(f"GRANT ALL ON mail.* TO {account}@'%'")

    def run_client(self, sql, database="mail"):
        command = ["mariadb", "--no-defaults", f"--socket={self.directory}/run/sock", "--user=root", "--batch", "--skip-column-names",
                   "--connect-timeout=5", "--default-character-set=utf8mb4", f"--execute={sql}", *([database] if database else [])]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)

    def answers(self):
        return self.run_client("SELECT 1", database="").returncode == 0

    def dsn(self, account="mail", more="", port=None):
        return f"{account}@tcp(127.0.0.1:{port or self.port})/mail{more}"

    def socket_dsn(self):
        return f"mail@unix({self.directory}/run/sock)/mail"

    def change_password(self, password):
        self.ask(f"ALTER USER mail@'%' IDENTIFIED BY '{password}'")
        # Those who are in stay in otherwise.
        for (number,) in self.ask("SELECT id FROM information_schema.processlist WHERE user = 'mail'"):
            self.run_client(f"KILL {number}")

    def forbid(self):
        self.ask("SET GLOBAL read_only = ON")

    def allow(self):
        self.ask("SET GLOBAL read_only = OFF")


class Postgres(Server):
    user = "postgres"
    name = "postgres"
    driver = "postgres"
    quote = '"'
    hex_ip = "upper(encode(ip_addr, 'hex'))"
    hex_mail = "encode(mail, 'hex')"
    forbidden = "permission denied"

    def install(self):
        password = self.directory / "password"
        password.write_text(PASSWORD)
        self.give(password)
        run(self.as_user([program("initdb"), "-D", self.data, "-U", "root", "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=trust",
                          "--auth-host=scram-sha-256", f"--pwfile={password}"]), cwd=self.data)  # fmt: skip

    def command(self):
        tls = self.directory / "tls"
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.directory / "run"}
        if (tls / "server.pem").exists():
            options |= {"ssl": "on", "ssl_cert_file": tls / "server.pem", "ssl_key_file": tls / "server.key"}
        return [program("postgres"), "-D", self.data, *(word for key, value in options.items() for word in ("-c", f"{key}={value}"))]

    def prepare(self):
        self.run_client("CREATE DATABASE mail", "postgres")
        for account in ("mail", "tls"):
            self.ask(f"CREATE ROLE {account} LOGIN PASSWORD '{PASSWORD}'")
        self.ask("GRANT ALL ON SCHEMA public TO mail, tls")

    def run_client(self, sql, database="mail"):
        command = ["psql", "--no-psqlrc", "-h", self.directory / "run", "-p", str(self.port), "-U", "root", "-d", database,
                   "-v", "ON_ERROR_STOP=1", "-At", "-F", "\t", "-c", sql]  # fmt: skip
        environment = {**os.environ, "PGCONNECT_TIMEOUT": "5", "PGCLIENTENCODING": "UTF8"}
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)

    def answers(self):
        return self.run_client("SELECT 1", "postgres").returncode == 0

    def socket_dsn(self):
        return f"postgres://mail@localhost:{self.port}/mail?host={self.directory}/run"

    def change_password(self, password):
        self.ask(f"ALTER ROLE mail PASSWORD '{password}'")
        # Those who are in stay in otherwise.
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mail'")

    def dsn(self, account="mail", more=""):
        return f"postgres://{account}@127.0.0.1:{self.port}/mail{more}"

    def forbid(self):
        self.ask("REVOKE INSERT ON new_mail FROM mail; ALTER TABLE new_mail OWNER TO root")

    def allow(self):
        self.ask("ALTER TABLE new_mail OWNER TO mail; GRANT ALL ON new_mail TO mail")


def lives(pid):
    """Whether a process has not ended; one that nobody has waited for has."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def certify(server):
    """Gives a server a certificate of a new authority, and starts it again with it; the authority."""
    authority = PrivateAuthority(server.directory / "tls")
    for file in (authority.key, authority.cert, authority.ca):
        server.give(file)
    authority.key.chmod(0o600)
    server.kill()
    server.start()
    return authority


def program(name):
    """A program of the newest PostgreSQL that is installed; Debian keeps them out of the PATH."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else name


def missing():
    """The Debian packages that are missing, if any."""
    programs = {"mariadb-server": "mariadbd", "mariadb-client": "mariadb", "postgresql-client": "psql", "util-linux": "setpriv"}
    absent = [package for package, name in programs.items() if not shutil.which(name)]
    if not pathlib.Path(program("initdb")).is_file():
        absent.append("postgresql")
    return " ".join(absent)
