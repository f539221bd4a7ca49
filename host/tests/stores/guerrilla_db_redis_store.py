"""The GuerrillaRedisDB processor, end to end: guerrillad loads the .so, redis-cli and mariadb say what is stored.

What matters most is counted to the message: what was acknowledged has its rows, once, also when MariaDB or Redis is killed in between.
"""

import base64
import concurrent.futures
import os
import pathlib
import shutil
import signal
import sys
import time
import zlib

import databases
import redis_server
from between import AnswerEater, Choosy
from databases import PASSWORD, MariaDb
from private import PrivateAuthority
from redis_server import DURABLE, RedisServer
from sending import Load, mail, mail_of
from serving import Refused, Serving, arguments_of, expect, fault_of_names, play, stopped_clock

README = pathlib.Path(__file__).resolve().parents[3] / "plugins" / "guerrilla-db-redis" / "README.md"


def table():
    """The table as the README gives it."""
    return README.read_text().split("```sql\n")[1].split("```")[0]


def config_of(redis, maria, **keys):
    return {
        "save_process": "HeadersParser|Header|Hasher|GuerrillaRedisDB", "primary_mail_host": "mx.example.test",
        "mail_table": "new_mail", "sql_driver": "mysql", "sql_dsn": maria.dsn(),
        "sql_password": {"env": "DATABASE_PASSWORD"}, "redis_interface": redis.interface, "redis_expire_seconds": 600, **keys,
    }


def serve(arguments, directory, config, name="guerrillad"):
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_PASSWORD": PASSWORD}
    return Serving(arguments, directory / name, config, ["guerrilla-db-redis"], environment=environment)


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


def two_daemons_at_one_instant(arguments, directory):
    """Without Hasher the key in Redis is what the daemon has called the mail."""
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        config = config_of(redis, maria, save_process="GuerrillaRedisDB", sql_password=PASSWORD)
        environment, subjects = stopped_clock(directory), []
        for number in range(2):
            own = directory / f"daemon{number}"
            with Serving(arguments, own, config, ["guerrilla-db-redis"], environment=environment) as serving:
                reply = serving.send(mail_of(number))
                yield f"mail {number} is acknowledged", expect(reply.startswith("250"), reply)
        for (key,) in maria.ask("SELECT hash FROM new_mail ORDER BY mail_id"):
            subjects += [line for line in value_of(redis, key).split(b"\r\n") if line.startswith(b"Subject: ")]
        yield "each row leads to its own mail", expect(subjects == [b"Subject: mail-0", b"Subject: mail-1"], subjects)


def killed_in_mid_load(arguments, directory):
    with RedisServer(directory / "redis", *DURABLE) as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        with serve(arguments, directory, config_of(redis, maria)) as serving:
            load = Load(serving, connections=16, each=60, recipients=("a@grr.la", "b@grr.la"))
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


def answers_to_commit_that_are_lost(arguments, directory):
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        with AnswerEater(maria.port, commits=5) as eater, serve(
            arguments, directory, config_of(redis, maria, sql_dsn=maria.dsn(more="?tls=false", port=eater.port))
        ) as serving:
            load = Load(serving, connections=8, each=25)
            load.finish()
            subjects = sorted(row[0] for row in maria.ask("SELECT subject FROM new_mail"))
            yield "five transactions were committed without an answer", expect(eater.cuts == 5, eater.cuts)
            yield f"{len(load.acknowledged)} acknowledged = {len(subjects)} rows, each once", expect(
                subjects == sorted(load.acknowledged) and len(subjects) == 200,
                f"{len(subjects)} rows, {len(set(subjects))} different, {load.deferred[:2]}",
            )


def stopped_and_read_only(arguments, directory):
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        with serve(arguments, directory, config_of(redis, maria, gw_save_timeout="4s", redis_timeout_seconds=1)) as serving:
            maria.freeze()
            load = Load(serving, connections=10, each=1, again=False)
            time.sleep(1)
            maria.thaw()
            load.finish()
            yield "a short halt of MariaDB delays mail", expect(len(load.acknowledged) == 10, load.deferred[:2])
            maria.freeze()
            begun = time.monotonic()
            reply = serving.send(mail_of(100))
            took = time.monotonic() - begun
            maria.thaw()
            place = f"mysql 127.0.0.1:{maria.port} "
            yield "and the log says which message, and which server", fault_of_names(serving, place)
            yield "a long one defers it in time", expect(reply.startswith("451 4.3.0") and took < 4.0, f"{reply} after {took}")
            redis.signal(signal.SIGSTOP)
            reply = serving.send(mail_of(101))
            redis.signal(signal.SIGCONT)
            yield "a Redis that hangs costs a second and no mail", expect(reply.startswith("250"), reply)
            maria.forbid()
            reply = serving.send(mail_of(102))
            yield "a read-only database defers with 451", expect(reply.startswith("451 4.3.0"), reply)
            maria.allow()
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
            load = Load(serving, connections=16, each=60, again=False)
            load.wait_for(200)
            status = serving.stop()
            load.finish()
            yield "it ends well under load", expect(status == 0, f"exit status {status}")
            stored = sorted(row[0] for row in maria.ask("SELECT subject FROM new_mail"))
            yield f"{len(load.acknowledged)} acknowledged = {len(stored)} rows", expect(
                stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
            )


def other_ways_to_the_database(arguments, directory):
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        url = {"sql_dsn": f"mysql://mail:{PASSWORD}@127.0.0.1:{maria.port}/mail", "sql_password": None}
        for name, keys in {"its socket": {"sql_dsn": maria.socket_dsn()}, "a URL": url}.items():
            with serve(arguments, directory, config_of(redis, maria, **keys), name.replace(" ", "-")) as serving:
                reply = serving.send(mail_of(0))
                rows = maria.ask(f"SELECT subject FROM new_mail WHERE hash = '{reply.rpartition(' ')[2]}'")
                yield f"rows by {name}", expect(rows == [["mail-0"]], f"{reply} {rows}")
                yield f"by {name}: the password is not in the log", expect(PASSWORD not in serving.whole_log(), "it is")
        authority, other = databases.certify(maria), PrivateAuthority(directory / "other")
        ca = directory / "ours.pem"
        shutil.copyfile(authority.ca, ca)
        # An account that insists on TLS.
        config = config_of(redis, maria, sql_dsn=maria.dsn("tls"), sql_ca_file=str(ca), gw_save_timeout="4s")
        with serve(arguments, directory, config, "tls") as serving:
            reply = serving.send(mail_of(1))
            rows = maria.ask(f"SELECT subject FROM new_mail WHERE hash = '{reply.rpartition(' ')[2]}'")
            yield "rows over TLS", expect(rows == [["mail-1"]], f"{reply} {rows}")
            authority = databases.certify(maria)
            reply = serving.send(mail_of(3))
            yield "a certificate of another authority: nothing is stored", expect(reply.startswith("451 4.3.0"), reply)
            authority.ca.rename(ca)
            serving.reload()
            yield "after SIGHUP its file is taken anew", expect(serving.logs(f"file {ca} has changed and is in use"), serving.log()[-500:])
            reply = serving.send(mail_of(4))
            rows = maria.ask(f"SELECT subject FROM new_mail WHERE hash = '{reply.rpartition(' ')[2]}'")
            yield "and the next mail is stored", expect(rows == [["mail-4"]], f"{reply} {rows}")
        config |= {"sql_ca_file": str(other.ca), "gw_save_timeout": "2s"}
        with serve(arguments, directory, config, "other-authority") as serving:
            reply = serving.send(mail_of(2))
            yield "a server that another authority vouches for gets nothing", expect(reply.startswith("451 4.3.0"), reply)
            yield "and the log says why", expect(serving.logs("UnknownIssuer"), serving.log()[-500:])
        config |= {"sql_ca_file": str(ca), "sql_password": f"not-{PASSWORD}"}
        try:
            with serve(arguments, directory, config, "wrong-password"):
                yield "a wrong password is an error at start", "the daemon starts"
        except Refused as refused:
            fine = refused.status == 78 and "Access denied" in str(refused) and PASSWORD not in str(refused)
            yield "a wrong password is an error at start", expect(fine, refused)


def a_database_that_is_not_strict(arguments, directory):
    """Redis is away, so that the rows carry the messages, which are cut by a server that is left to it."""
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        redis.kill()
        for engine in ("InnoDB", "MyISAM"):
            maria.ask("DROP TABLE IF EXISTS new_mail")
            maria.ask(table().replace("LONGBLOB", "BLOB").replace("`recipient` VARCHAR(255)", "`recipient` VARCHAR(20)").replace("InnoDB", engine))
            maria.ask("SET GLOBAL sql_mode = ''")
            with serve(arguments, directory, config_of(redis, maria), engine) as serving:
                reply = serving.send(large("large", 108_000), ("a@a.test",))
                named = serving.logs("Data too long for column 'mail'")
                yield f"{engine}: a mail that its column does not hold is deferred", expect(reply.startswith("451 4.3.0") and named, reply)
                reply = serving.send(mail_of(1), ("a@a.test", "somebody.else@a.test"))
                named = serving.logs("Data too long for column 'recipient'")
                yield f"{engine}: so is a recipient, in whichever row", expect(reply.startswith("451 4.3.0") and named, reply)
                reply = serving.send(mail_of(2), ("a@a.test",))
                yield f"{engine}: what fits is stored", expect(reply.startswith("250"), reply)
            rows = maria.ask("SELECT subject FROM new_mail WHERE recipient <> 'a@mx.example.test' OR LENGTH(mail) > 2000")
            yield f"{engine}: nothing is cut", expect(rows == [], rows)


def a_full_disk(arguments, directory):
    """Small rows: MariaDB 10.11 aborts when it has to take back a large one and has no room for that."""
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria", room=64) as maria:
        maria.ask(table())
        with serve(arguments, directory, config_of(redis, maria)) as serving:
            replies = {}

            def send(number):
                reply = replies[f"mail-{number}"] = serving.send(mail_of(number))
                return reply

            send(0)
            with maria.full():
                number = next(number for number in range(1, 1000) if not send(number).startswith("250"))
                reply = replies[f"mail-{number}"]
                yield f"mail {number} has no room, and is deferred with 452", expect(reply.startswith("452 4.3.1"), reply)
                reply = send(1000)
                yield "as is the next", expect(reply.startswith("452 4.3.1"), reply)
            reply = send(1001)
            yield "with room again the next mail is stored", expect(reply.startswith("250"), reply)
            stored = {row[0] for row in maria.ask("SELECT subject FROM new_mail")}
            acknowledged = {name for name, reply in replies.items() if reply.startswith("250")}
            yield f"{len(acknowledged)} acknowledged = {len(stored)} rows", expect(stored == acknowledged, stored ^ acknowledged)


def large(name, size=250_000):
    """A mail that does not become smaller by compression."""
    return mail(name, base64.encodebytes(os.urandom(size * 3 // 4)).replace(b"\n", b"\r\n"))


def a_mail_that_is_too_large(arguments, directory):
    """Redis is away, so that the rows carry the messages."""
    with RedisServer(directory / "redis") as redis, MariaDb(directory / "maria") as maria:
        maria.ask(table())
        redis.kill()
        keys = {"redis_connections": 1, "gw_save_timeout": "6s"}
        with serve(arguments, directory, config_of(redis, maria, **keys), "told") as serving:
            yield from one_among_others("the database says so", serving, maria, 0, 1_500_000)
        with Choosy(maria.port) as choosy:
            config = config_of(redis, maria, **keys, sql_dsn=maria.dsn(more="?tls=false", port=choosy.port))
            with serve(arguments, directory, config, "cut") as serving:
                yield from one_among_others("the connection is lost", serving, maria, 10, 500_000)
            # More often than a batch is tried together.
            yield f"it was lost again and again ({choosy.cuts} times)", expect(choosy.cuts > 5, choosy.cuts)


def one_among_others(name, serving, maria, number, size):
    serving.send(mail_of(number))
    maria.freeze()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        # Those that come while it hangs are a batch.
        others = [pool.submit(serving.send, mail_of(number + 1))]
        too_large = pool.submit(serving.send, large("large", size))
        others += [pool.submit(serving.send, mail_of(number)) for number in range(number + 2, number + 10)]
        time.sleep(1)
        maria.thaw()
        too_large, others = too_large.result(), [future.result() for future in others]
    stored = all(reply.startswith("250") for reply in others)
    yield f"{name}: the others in its batch are stored", expect(stored, f"{others} {serving.whole_log()[-6000:]}")
    yield f"{name}: it is deferred", expect(too_large.startswith("451 4.3.0"), too_large)
    subjects = sorted(row[0] for row in maria.ask("SELECT subject FROM new_mail"))
    yield f"{name}: each once", expect(subjects == sorted(f"mail-{n}" for n in range(number + 10)), subjects)
    log = serving.whole_log()
    yield f"{name}: no fault is counted against the processor", expect("fault" not in log and "no answer within" not in log, log[-800:])


if __name__ == "__main__":
    if redis_server.missing() or databases.missing():
        sys.exit(f"missing Debian packages: {redis_server.missing()} {databases.missing()}")
    scenes = [
        rows_and_bodies, two_daemons_at_one_instant, other_ways_to_the_database, killed_in_mid_load, answers_to_commit_that_are_lost, stopped_and_read_only,
        a_database_that_is_not_strict, a_full_disk, a_mail_that_is_too_large, the_end_of_the_daemon,
    ]
    sys.exit(play(scenes, arguments_of(__doc__)))
