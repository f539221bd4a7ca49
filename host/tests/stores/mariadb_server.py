"""A private mariadbd: own socket and port, own directory, asked through its own client."""

import os
import pathlib
import pwd
import shutil
import subprocess

from redis_server import free_port
from serving import SECONDS, wait_until

PASSWORD = "s3cret-of-the-database"


class MariaDb:
    """One mariadbd with the database `mail` and the user `mail`. Ended by its own pid."""

    def __init__(self, directory, *options):
        self.directory = pathlib.Path(directory)
        self.data, self.run = self.directory / "data", self.directory / "run"
        self.port = free_port()
        for folder in (self.data, self.run):
            folder.mkdir(parents=True)
            self._give(folder)
        # It is reached as its package's user, through directories that the test has made for itself.
        for folder in (self.directory, self.directory.parent):
            folder.chmod(0o755)
        self._command = [
            "mariadbd", "--no-defaults", f"--datadir={self.data}", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--socket={self.run / 'sock'}", f"--pid-file={self.run / 'pid'}", "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=1", *options,
        ]
        install = [
            "mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db", "--skip-name-resolve",
            "--auth-root-authentication-method=normal",
        ]
        subprocess.run(self._as_user(install), cwd=self.data, check=True, capture_output=True, timeout=SECONDS)
        self.process = None
        self.start()
        self.ask("CREATE DATABASE mail", database="")
        self.ask(f"CREATE USER mail@'%' IDENTIFIED BY '{PASSWORD}'")
        self.ask("GRANT ALL ON mail.* TO mail@'%'")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        with open(self.directory / "mariadb.log", "ab") as log:
            self.process = subprocess.Popen(
                self._as_user(self._command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data
            )
        wait_until("mariadbd starts", self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"mariadbd ended: {(self.directory / 'mariadb.log').read_text()[-800:]}")
        return self._client("SELECT 1", "").returncode == 0

    def kill(self):
        """SIGKILL: what was committed is there at the next start, and nothing else."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def ask(self, sql, database="mail"):
        """Rows as lists of texts."""
        done = self._client(sql, database)
        if done.returncode:
            raise RuntimeError(f"{sql}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def _client(self, sql, database):
        command = ["mariadb", "--no-defaults", f"--socket={self.run / 'sock'}", "--user=root", "--batch", "--skip-column-names"]
        words = [*command, f"--execute={sql}", *([database] if database else [])]
        return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)

    def _give(self, path):
        if os.getuid() == 0:
            shutil.chown(path, "mysql", pwd.getpwnam("mysql").pw_gid)

    def _as_user(self, command):
        words = [str(word) for word in command]
        if os.getuid() != 0:
            return words
        account = pwd.getpwnam("mysql")
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *words]


def missing():
    """The Debian package that is missing, if any."""
    return "" if all(map(shutil.which, ("mariadbd", "mariadb", "mariadb-install-db", "setpriv"))) else "mariadb-server"
