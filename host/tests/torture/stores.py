"""The stores under torture, each private to a run: how guerrillad is set up for it, and what it holds.

A store is `config` and `plugins` for the daemon, `collect()`, which takes all mails out of it as (recipient or None, bytes), and
`crash()` for those that are servers. A further one (a broker, say) needs nothing else, and a line in `STORES`.
"""

import contextlib
import pathlib
import socket
import sqlite3

import databases
import nats_server
import redis_server
from databases import PASSWORD, MariaDb
from nats_server import STREAM, NatsServer, ask, make_stream
from redis_server import DURABLE, RedisServer

SQL_SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "plugins" / "sql" / "schema"


class MailDir:
    """Files; a partial one in `new` is a fault whatever it holds, since it is no letter."""

    name, plugins, environment = "MailDir", ["maildir"], {}

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "mail"
        self.config = {
            "save_process": "HeadersParser|Header|MailDir",
            "maildir_path": f"{self.path}/[user]",
            "maildir_user_map": "*=-1:-1",
            "maildir_line_ending": "crlf",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def collect(self):
        for file in self.path.glob("*/new/*"):
            octets = file.read_bytes()
            file.unlink()
            yield f"{file.parts[-3]}@example.test", octets

    def unfinished(self):
        """Files in `tmp`: none when nothing is under way, unless the daemon was killed."""
        return list(self.path.glob("*/tmp/*"))


class Sqlite:
    """A file that the daemon's process writes itself: a kill interrupts it anywhere."""

    name, plugins, environment = "SQLite", ["sql"], {}

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "mail.sqlite"
        self.config = {"save_process": "HeadersParser|Header|Hasher|sql", "sql_driver": "sqlite", "sql_dsn": str(self.path)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def collect(self):
        if not self.path.exists():
            return
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            [[sound]] = database.execute("PRAGMA integrity_check")
            if sound != "ok":
                raise RuntimeError(f"the database is broken: {sound}")
            table = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'new_mail'").fetchone()[0]
            rows = database.execute("SELECT recipient, mail FROM new_mail").fetchall() if table else []
            if table:
                database.execute("DELETE FROM new_mail")
                database.commit()
        yield from rows


class RoomyMariaDb(MariaDb):
    """Takes the largest of the letters in one packet."""

    def command(self):
        return [*super().command(), "--max-allowed-packet=64M"]


class OfServer:
    """A store whose server is ours to kill."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()

    def crash(self):
        self.server.kill()
        self.server.start()


class Maria(OfServer):
    """MariaDB with its default durability: each commit is flushed."""

    name, plugins = "MariaDB", ["sql"]
    environment = {"DATABASE_PASSWORD": PASSWORD}

    def __init__(self, directory):
        self.server = RoomyMariaDb(pathlib.Path(directory) / "maria")
        self.server.ask((SQL_SCHEMA / "mysql.sql").read_text())
        self.config = {
            "save_process": "HeadersParser|Header|Hasher|sql",
            "sql_driver": "mysql",
            "sql_dsn": f"mail@tcp(127.0.0.1:{self.server.port})/mail",
            "sql_password": {"env": "DATABASE_PASSWORD"},
        }

    def collect(self):
        rows = self.server.ask("SELECT mail_id, recipient, HEX(mail) FROM new_mail")
        if rows:
            # What is committed from here on, by a transaction whose client is gone, is found the next time.
            self.server.ask(f"DELETE FROM new_mail WHERE mail_id IN ({','.join(row[0] for row in rows)})")
        return [(recipient, bytes.fromhex(mail)) for _, recipient, mail in rows]


class Redis(OfServer):
    """Redis that syncs each command (`appendfsync always`)."""

    name, plugins, environment = "Redis", ["redis"], {}

    def __init__(self, directory):
        self.server = RedisServer(pathlib.Path(directory) / "redis", *DURABLE)
        self.config = {
            "save_process": "HeadersParser|Header|Hasher|Redis",
            "redis_interface": self.server.interface,
            "redis_expire_seconds": 7200,
        }

    def collect(self):
        with socket.create_connection(("127.0.0.1", self.server.port), 60) as connection, connection.makefile("rb") as replies:
            for key in self.server.keys():
                connection.sendall(f"GETDEL {key}\r\n".encode())
                length = int(replies.readline()[1:])
                yield None, replies.read(length + 2)[:length]


class JetStream(OfServer):
    """NATS with one server, large letters in its object store. What it has answered is in files of its stream, though not on the disk
    before the next synchronisation: a crash of the server leaves it there, one of the machine is not played."""

    name, plugins, environment = "NATS", ["nats"], {}

    def __init__(self, directory):
        self.server = NatsServer(pathlib.Path(directory) / "nats")
        make_stream([self.server])
        self.config = {
            "save_process": "HeadersParser|Header|NATS",
            "nats_url": self.server.url,
            "nats_stream": STREAM,
            "nats_bucket": "mails",
            "nats_create_replicas": 1,
        }

    def collect(self):
        def read(client):
            state = client.api(f"STREAM.INFO.{STREAM}")["state"]
            numbers = range(state["first_seq"], state["last_seq"] + 1) if state["messages"] else ()
            return state["last_seq"], [self._mail(client, number) for number in numbers]

        def clear(client):
            client.api(f"STREAM.PURGE.{STREAM}", seq=last + 1)
            for place in filter(None, objects):
                client.delete_object(*place)

        last, found = ask([self.server], read)
        objects = {place for _, place in found}
        ask([self.server], clear)
        return [(None, octets) for octets, _ in found]

    @staticmethod
    def _mail(client, number):
        """A mail, and the bucket and the name of its object if it has one."""
        message = client.stored(STREAM, number)
        if "Mail-Object-Name" not in message.headers:
            return message.data, None
        [bucket], [name] = message.headers["Mail-Object-Bucket"], message.headers["Mail-Object-Name"]
        return client.object(bucket, name) or b"an object that is not there", (bucket, name)


def missing():
    """Debian packages that are missing."""
    return " ".join(filter(None, (databases.missing(), redis_server.missing(), nats_server.missing())))


STORES = [MailDir, Sqlite, Maria, Redis, JetStream]
