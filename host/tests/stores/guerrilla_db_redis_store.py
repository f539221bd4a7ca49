"""The GuerrillaRedisDB processor, end to end: guerrillad loads the .so, redis-cli and mariadb say what is stored.

What matters most is counted to the message: what was acknowledged has its rows, once, also when MariaDB or Redis is killed in between.
"""

import contextlib
import pathlib
import signal
import socket
import sys
import threading
import time
import zlib

import mariadb_server
import redis_server
from mariadb_server import PASSWORD, MariaDb
from redis_server import DURABLE, RedisServer
from serving import Load, Serving, arguments_of, expect, mail_of, play

README = pathlib.Path(__file__).resolve().parents[3] / "plugins" / "guerrilla-db-redis" / "README.md"


def table():
    """The table as the README gives it."""
    return README.read_text().split("```sql\n")[1].split("```")[0]


def config_of(redis, maria, **keys):
    return {
        "save_process": "HeadersParser|Header|Hasher|GuerrillaRedisDB", "primary_mail_host": "mx.example.test",
        "mail_table": "new_mail", "sql_driver": "mysql", "sql_dsn": f"mail@tcp(127.0.0.1:{maria.port})/mail",
        "sql_password": {"env": "DATABASE_PASSWORD"}, "redis_interface": redis.interface, "redis_expire_seconds": 600, **keys,
    }


def serve(arguments, directory, config, name="guerrillad"):
    own = directory / name
    own.mkdir()
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_PASSWORD": PASSWORD}
    return Serving(arguments, own, config, ["guerrilla-db-redis"], environment=environment)


def value_of(redis, key):
    """The message under a key, uncompressed."""
    # redis-cli --raw appends a line end, which is no part of the zlib stream.
    return zlib.decompressobj().decompress(redis.value(key))


def rows_and_bodies(arguments, directory):
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        with serve(arguments, directory, config_of(redis, maria)) as serving:
            reply = serving.send(mail_of(0), ("a@grr.la", "b@spam4.me"))
            key = reply.rpartition(" ")[2]
            yield "the mail is acknowledged under its hash", expect(reply.startswith("250 2.0.0 OK: queued as ") and len(key) == 32, reply)
            columns = "`to`, `from`, `subject`, `body`, `charset`, `mail`, `hash`, `recipient`, `ip_addr`, `return_path`, `is_tls`+0"
            rows = maria.ask(f"SELECT {columns} FROM new_mail ORDER BY mail_id")
            wanted = [
                [f"{user}@mx.example.test", "me@example.com", "mail-0", "redis", "UTF-8", "", key, f"{user}@mx.example.test",
                 "127.0.0.1", "me@example.com", "0"]
                for user in "ab"
            ]
            yield "each recipient has a row, with go-guerrilla's values", expect(rows == wanted, rows)
            yield "and the message is in Redis, compressed, once", expect(
                redis.keys() == [key] and value_of(redis, key).endswith(mail_of(0)), redis.keys()
            )
            ttl = int(redis.cli("TTL", key))
            yield "which forgets it in time", expect(590 <= ttl <= 600, ttl)

            redis.kill()
            reply = serving.send(mail_of(1))
            key = reply.rpartition(" ")[2]
            [body, mail] = maria.ask(f"SELECT body, HEX(mail) FROM new_mail WHERE hash = '{key}'")[0]
            yield "without Redis the row carries the message", expect(
                body == "gzencode" and zlib.decompress(bytes.fromhex(mail)).endswith(mail_of(1)), f"{reply} {body}"
            )
            yield "guerrillad ends well", expect(serving.stop() == 0, "exit status")
            yield "the password is not in the log", expect(PASSWORD not in serving.whole_log(), "it is")
        redis.start()
        config = config_of(redis, maria, save_process="GuerrillaDbRedis")
        with serve(arguments, directory, config, "alone") as serving:
            reply = serving.send(mail_of(2))
            stored = value_of(redis, reply.rpartition(" ")[2])
            yield "alone in the chain, and by its other name, it writes a Received field itself", expect(
                stored.startswith(b"Received: from client.example ([127.0.0.1])\r\n\tby mx.example.test with ESMTP id "), stored[:200]
            )
            rows = maria.ask("SELECT subject FROM new_mail ORDER BY mail_id DESC LIMIT 1")
            yield "and knows the subject", expect(rows == [["mail-2"]], rows)


def killed_in_mid_load(arguments, directory):
    with RedisServer(directory / "redis", *DURABLE) as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        with serve(arguments, directory, config_of(redis, maria)) as serving:
            load = Load(serving.port, connections=16, each=60, recipients=("a@grr.la", "b@grr.la"))
            load.wait_for(150)
            maria.kill()
            maria.start()
            load.wait_for(400)
            redis.kill()
            load.wait_for(500)
            redis.start()
            load.wait_for(650)
            maria.kill()
            maria.start()
            took = load.finish()
            rows = maria.ask("SELECT subject, recipient, body, hash FROM new_mail")
            count = len(load.acknowledged)
            yield f"all {count} mails are acknowledged in the end ({took:.1f} s, {len(load.deferred)} deferred)", expect(
                count == 960 and not load.other, f"{count} {load.other[:2]}"
            )
            wanted = sorted([name, f"{user}@mx.example.test"] for name in load.acknowledged for user in "ab")
            yield f"{count} acknowledged with two recipients each = {len(rows)} rows, each once", expect(
                sorted(row[:2] for row in rows) == wanted, f"{len(rows)} rows, {len({tuple(row[:2]) for row in rows})} different"
            )
            in_redis = {row[3] for row in rows if row[2] == "redis"}
            yield f"what the rows say is in Redis is there ({len(in_redis)} messages)", expect(
                in_redis <= set(redis.keys()), f"{len(in_redis - set(redis.keys()))} missing"
            )


class AnswerEater:
    """Stands between guerrillad and MariaDB, and keeps the answers to the first few COMMITs to itself: it closes instead."""

    def __init__(self, port, commits):
        self.eaten, self._commits, self._port = 0, commits, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            swallow = threading.Event()
            for source, sink, watch in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=(source, sink, swallow, watch), daemon=True).start()

    def _pass_on(self, source, sink, swallow, watch):
        try:
            while octets := source.recv(65536):
                # A command of its own: five octets of header and kind, and the word.
                if watch and octets[5:] == b"COMMIT" and self.eaten < self._commits:
                    self.eaten += 1
                    swallow.set()
                if swallow.is_set() and not watch:
                    break
                sink.sendall(octets)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                # A close alone would leave the other thread's read, and so the connection, as they are.
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def answers_to_commit_that_are_lost(arguments, directory):
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        eater = AnswerEater(maria.port, commits=5)
        dsn = f"mail@tcp(127.0.0.1:{eater.port})/mail?tls=false"
        with serve(arguments, directory, config_of(redis, maria, sql_dsn=dsn)) as serving:
            load = Load(serving.port, connections=8, each=25)
            load.finish()
            subjects = sorted(row[0] for row in maria.ask("SELECT subject FROM new_mail"))
            yield "five transactions were committed without an answer", expect(eater.eaten == 5, eater.eaten)
            yield f"{len(load.acknowledged)} acknowledged = {len(subjects)} rows, each once", expect(
                subjects == sorted(load.acknowledged) and len(subjects) == 200,
                f"{len(subjects)} rows, {len(set(subjects))} different, {load.deferred[:2]}",
            )
        eater.close()


def stopped_and_read_only(arguments, directory):
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        with serve(arguments, directory, config_of(redis, maria, gw_save_timeout="4s", redis_timeout_seconds=1)) as serving:
            maria.process.send_signal(signal.SIGSTOP)
            load = Load(serving.port, connections=10, each=1, again=False)
            time.sleep(1)
            maria.process.send_signal(signal.SIGCONT)
            load.finish()
            yield "a short halt of MariaDB delays mail", expect(len(load.acknowledged) == 10, load.deferred[:2])
            maria.process.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            reply = serving.send(mail_of(100))
            took = time.monotonic() - begun
            maria.process.send_signal(signal.SIGCONT)
            yield "a long one defers it in time", expect(reply.startswith("451 4.3.0") and took < 4.0, f"{reply} after {took}")
            redis.signal(signal.SIGSTOP)
            reply = serving.send(mail_of(101))
            redis.signal(signal.SIGCONT)
            yield "a Redis that hangs costs a second and no mail", expect(reply.startswith("250"), reply)
            maria.ask("SET GLOBAL read_only = ON")
            reply = serving.send(mail_of(102))
            yield "a read-only database defers with 451", expect(reply.startswith("451 4.3.0"), reply)
            maria.ask("SET GLOBAL read_only = OFF")
            reply = serving.send(mail_of(103))
            yield "and the next mail is stored", expect(reply.startswith("250"), reply)
            stored = {row[0] for row in maria.ask("SELECT subject FROM new_mail")}
            acknowledged = set(load.acknowledged) | {"mail-101", "mail-103"}
            yield "what was acknowledged is stored", expect(acknowledged <= stored, acknowledged - stored)
            log = serving.whole_log()
            yield "no fault is counted against the processor", expect("fault" not in log and "no answer within" not in log, log[-800:])


def the_end_of_the_daemon(arguments, directory):
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        with serve(arguments, directory, config_of(redis, maria)) as serving:
            load = Load(serving.port, connections=16, each=60, again=False)
            load.wait_for(200)
            status = serving.stop()
            load.finish()
            yield "it ends well under load", expect(status == 0, f"exit status {status}")
            stored = sorted(row[0] for row in maria.ask("SELECT subject FROM new_mail"))
            yield f"{len(load.acknowledged)} acknowledged = {len(stored)} rows", expect(
                stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
            )


if __name__ == "__main__":
    if redis_server.missing() or mariadb_server.missing():
        sys.exit(f"missing Debian packages: {redis_server.missing()} {mariadb_server.missing()}")
    scenes = [
        rows_and_bodies, killed_in_mid_load, answers_to_commit_that_are_lost, stopped_and_read_only, the_end_of_the_daemon,
    ]
    sys.exit(play(scenes, arguments_of(__doc__)))
