"""The Redis processor, end to end: guerrillad loads the .so, mail goes in by SMTP, redis-cli says what is stored.

Each server is a private one on loopback. What matters most is counted to the message: what was acknowledged is stored, also when
Redis is killed, stopped or full in between.
"""

import contextlib
import json
import os
import re
import signal
import sqlite3
import sys
import time
import zlib

import redis_server
from private import PrivateAuthority, wait_until
from redis_server import DURABLE, RedisServer
from sending import Load, mail_of
from serving import Refused, Serving, arguments_of, expect, fault_of_names, play, stopped_clock

CHAIN = "HeadersParser|Header|Hasher|Redis"
SECRET = "s3cret-of-the-test"


def redis_config(server, **keys):
    return {"save_process": CHAIN, "redis_interface": server.interface, "redis_expire_seconds": 600, **keys}


def serve(arguments, directory, config, **more):
    return Serving(arguments, directory, config, ["redis"], **more)


def key_of(reply):
    return reply.rpartition(" ")[2]


def fault_of_mail(reply, server):
    """Why the mail of this reply is not stored under the id that the reply names."""
    if not reply.startswith("250 2.0.0 OK: queued as "):
        return reply
    return expect(b"Subject: mail-0" in server.cli("GET", key_of(reply)).encode(), f"nothing under {key_of(reply)}")


def one_key_for_a_message(arguments, directory):
    with RedisServer(directory / "redis") as redis, serve(arguments, directory, redis_config(redis)) as serving:
        reply = serving.send(mail_of(0), ("a@example.test", "b@example.test"))
        yield "the mail is stored under the id of the reply", fault_of_mail(reply, redis)
        yield "two recipients share one key", expect(redis.keys() == [key_of(reply)], redis.keys())
        value, lines = redis.value(key_of(reply)), mail_of(0)
        yield "the value is the delivery header and the mail, octet for octet", expect(
            value.startswith(b"Return-Path: <me@example.com>\r\n") and value.endswith(lines), value[:300]
        )
        ttl = int(redis.cli("TTL", key_of(reply)))
        yield "Redis forgets it in time", expect(590 <= ttl <= 600, ttl)
        redis.cli("CONFIG", "SET", "timeout", "1")
        redis.cli("CLIENT", "KILL", "TYPE", "normal")
        yield "a connection that was closed meanwhile is replaced", fault_of_mail(serving.send(mail_of(0)), redis)
        yield "guerrillad ends well", expect(serving.stop() == 0, "exit status")


def compressed_mail(arguments, directory):
    with RedisServer(directory / "redis") as redis:
        config = redis_config(redis, save_process="HeadersParser|Header|Hasher|Compressor|Redis")
        with serve(arguments, directory, config) as serving:
            reply = serving.send(mail_of(0, 5000))
            value = redis.value(key_of(reply))
            yield "the value is zlib data of the mail", expect(
                value[:2] == b"\x78\x01" and zlib.decompressobj().decompress(value).endswith(mail_of(0, 5000)), value[:20]
            )


def without_hasher(arguments, directory):
    with RedisServer(directory / "redis") as redis:
        with serve(arguments, directory, redis_config(redis, save_process="Redis")) as serving:
            yield "the queued id is the key", fault_of_mail(serving.send(mail_of(0)), redis)


def two_daemons_at_one_instant(arguments, directory):
    """Without Hasher the key is what the daemon has called the mail."""
    with RedisServer(directory / "redis") as redis:
        environment, replies = stopped_clock(directory), []
        for number in range(2):
            own = directory / f"daemon{number}"
            with serve(arguments, own, redis_config(redis, save_process="Redis"), environment=environment) as serving:
                replies.append(serving.send(mail_of(number)))
        stored = redis.subjects()
        yield "two mails are acknowledged and stored", expect(
            stored == ["mail-0", "mail-1"] and all(reply.startswith("250") for reply in replies), (replies, stored)
        )


def a_table_that_says_where_the_mail_is(arguments, directory):
    """`sql` behind Redis, with Hasher and without: the row's hash is the key."""
    with RedisServer(directory / "redis") as redis:
        for chain in ("Redis|sql", "HeadersParser|Header|Hasher|Redis|sql"):
            own = directory / chain.replace("|", "-")
            config = redis_config(redis, save_process=chain, sql_dsn=str(own / "mail.sqlite"))
            with Serving(arguments, own, config, ["redis", "sql"]) as serving:
                reply = serving.send(mail_of(0))
                with contextlib.closing(sqlite3.connect(own / "mail.sqlite")) as table:
                    rows = table.execute("SELECT body, length(mail), hash FROM new_mail").fetchall()
                yield f"{chain}: the row names the key", expect(rows == [("redis", 0, key_of(reply))], (reply, rows))
                yield f"{chain}: the mail is there", fault_of_mail(f"250 2.0.0 OK: queued as {rows[0][2]}", redis)


def password_and_database(arguments, directory):
    user = ["mailer", "on", f">{SECRET}", "~*", "+setex", "+ping", "+select"]
    password = directory / "password"
    password.write_text(f"{SECRET}\n")
    with RedisServer(directory / "redis", "--requirepass", SECRET) as redis:
        redis.cli_options = ["-a", SECRET, "-n", "5"]
        redis.cli("ACL", "SETUSER", *user)
        of_user = {"redis_username": "mailer", "redis_database": 5}
        environment = {**os.environ, "MAILER_PASSWORD": SECRET}
        url = {"redis_interface": f"redis://mailer:{SECRET}@{redis.interface}/5"}
        ways = {
            "a file": redis_config(redis, redis_password={"file": str(password)}, **of_user),
            "the environment": redis_config(redis, redis_password={"env": "MAILER_PASSWORD"}, **of_user),
            "the configuration": redis_config(redis, redis_password=SECRET, **of_user),
            "the URL": redis_config(redis, **url),
        }
        for number, (place, config) in enumerate(ways.items()):
            own = directory / str(number)
            own.mkdir()
            with serve(arguments, own, config, environment=environment) as serving:
                yield f"a password from {place}", fault_of_mail(serving.send(mail_of(0)), redis)
                redis.cli("CLIENT", "KILL", "TYPE", "normal")
                redis.cli("ACL", "SETUSER", "mailer", "off")
                refused = serving.send(mail_of(0))
                redis.cli("ACL", "SETUSER", "mailer", "on")
                yield f"a password from {place} that is no longer good defers", expect(refused.startswith("451 4.3.0"), refused)
                yield f"a password from {place} is not in the log", expect(SECRET not in serving.whole_log(), "it is")
        own = directory / "wrong"
        own.mkdir()
        config = redis_config(redis, redis_username="mailer", redis_password=f"not-{SECRET}")
        try:
            with serve(arguments, own, config):
                yield "a wrong password is an error at start", "the daemon starts"
        except Refused as refused:
            said = str(refused)
            yield "a wrong password is an error at start", expect(refused.status == 78 and "uthentication" in said, said)
            yield "and the error does not repeat it", expect(SECRET not in said, said)


def another_password_at_a_reload(arguments, directory):
    password = directory / "password"
    password.write_text(f"{SECRET}\n")
    with RedisServer(directory / "redis", "--requirepass", SECRET) as redis:
        redis.cli_options = ["-a", SECRET]
        with serve(arguments, directory, redis_config(redis, redis_password={"file": str(password)})) as serving:
            yield "a mail with the first", fault_of_mail(serving.send(mail_of(0)), redis)
            another = f"another-{SECRET}"
            redis.cli("CONFIG", "SET", "requirepass", another)
            redis.cli_options = ["-a", another]
            redis.cli("CLIENT", "KILL", "TYPE", "normal")
            refused = serving.send(mail_of(0))
            yield "one that is no longer good defers", expect(refused.startswith("451 4.3.0"), refused)
            password.write_text(f"{another}\n")
            serving.reload()
            yield "a mail with the one that the file holds at the reload", fault_of_mail(serving.send(mail_of(0)), redis)
            yield "neither is in the log", expect(SECRET not in serving.whole_log(), "it is")


def tls_with_a_private_authority(arguments, directory):
    authority, other = PrivateAuthority(directory / "authority"), PrivateAuthority(directory / "other")
    with RedisServer(directory / "redis", tls=authority) as redis:
        url = f"rediss://{redis.interface}"
        with serve(arguments, directory, redis_config(redis, redis_interface=url, redis_tls_ca_file=str(authority.ca))) as serving:
            yield "a mail over TLS", fault_of_mail(serving.send(mail_of(0)), redis)
        for name, config in {
            "another authority": redis_config(redis, redis_interface=url, redis_tls_ca_file=str(other.ca)),
            "the system's authorities": redis_config(redis, redis_interface=url),
        }.items():
            own = directory / name.replace(" ", "-")
            own.mkdir()
            with serve(arguments, own, {**config, "gw_save_timeout": "2s"}) as serving:
                reply = serving.send(mail_of(0))
                yield f"a server that {name} did not vouch for gets nothing", expect(reply.startswith("451"), reply)
                yield f"{name}: the log says why", expect(serving.logs("invalid peer certificate"), serving.log()[-500:])


def certificates_of_clients(arguments, directory):
    authority = PrivateAuthority(directory / "authority")
    with RedisServer(directory / "redis", tls=authority, client_certificates="yes") as redis:
        config = redis_config(redis, redis_interface=f"rediss://{redis.interface}", redis_tls_ca_file=str(authority.ca))
        own = {"redis_tls_cert_file": str(authority.client_cert), "redis_tls_key_file": str(authority.client_key)}
        with serve(arguments, directory / "with", {**config, **own}) as serving:
            yield "a mail of a client with a certificate", fault_of_mail(serving.send(mail_of(0)), redis)
        with serve(arguments, directory / "without", {**config, "gw_save_timeout": "2s"}) as serving:
            reply = serving.send(mail_of(0))
            yield "one without is turned away by the server, and defers", expect(reply.startswith("451 4.3.0"), reply)
            yield "the log has the server's word", expect(serving.logs("CertificateRequired"), serving.log()[-500:])


def unix_socket(arguments, directory):
    with RedisServer(directory / "redis", socket_only=True) as redis:
        with serve(arguments, directory, redis_config(redis, redis_interface=f"unix:{redis.socket}")) as serving:
            yield "a mail through a Unix socket", fault_of_mail(serving.send(mail_of(0)), redis)


def away_at_start(arguments, directory):
    with RedisServer(directory / "redis") as redis:
        redis.kill()
        with serve(arguments, directory, redis_config(redis, gw_save_timeout="2s")) as serving:
            begun = time.monotonic()
            reply = serving.send(mail_of(0))
            yield "mail is deferred while Redis is away", expect(reply.startswith("451 4.3.0"), reply)
            took = time.monotonic() - begun
            yield "by the processor, within the daemon's patience", expect(1.0 < took < 2.0, took)
            yield "the log says which message, and which server", fault_of_names(serving, f"redis {redis.interface}")
            redis.start()
            yield "the next mail is stored", fault_of_mail(serving.send(mail_of(0)), redis)
            log = serving.whole_log()
            yield "no fault is counted against the processor", expect("fault" not in log and "no answer within" not in log, log[-800:])


def killed_in_mid_load(arguments, directory):
    with RedisServer(directory / "redis", *DURABLE) as redis, serve(arguments, directory, redis_config(redis)) as serving:
        load = Load(serving, connections=16, each=150)
        for count in (300, 900, 1500):
            load.wait_for(count)
            redis.kill()
            time.sleep(0.3)
            redis.start()
        took = load.finish()
        stored = redis.subjects()
        count = len(load.acknowledged)
        yield f"all {count} mails are acknowledged in the end ({took:.1f} s, {len(load.deferred)} deferred)", expect(
            count == 2400 and not load.other, f"{count}, {load.other[:3]}"
        )
        yield f"acknowledged {count} = stored {len(stored)}, each once", expect(
            stored == sorted(load.acknowledged), f"{count} acknowledged, {len(stored)} stored, {len(set(stored))} different"
        )
        named = {key_of(reply) for reply in load.acknowledged.values()}
        yield "each under the id that its client was told", expect(named == set(redis.keys()), f"{len(named ^ set(redis.keys()))} differ")


def stopped_and_slow(arguments, directory):
    with RedisServer(directory / "redis") as redis:
        config = redis_config(redis, gw_save_timeout="4s", redis_timeout_seconds=1)
        with serve(arguments, directory, config) as serving:
            yield "a mail before", fault_of_mail(serving.send(mail_of(0)), redis)
            redis.signal(signal.SIGSTOP)
            begun = time.monotonic()
            load = Load(serving, connections=20, each=1, again=False)
            load.finish()
            took = time.monotonic() - begun
            yield "who waits for a server that hangs is deferred in time", expect(
                len(load.deferred) == 20 and 3.0 < took < 4.5, f"{load.deferred[:2]} {load.other[:2]} after {took}"
            )
            load = Load(serving, connections=20, each=1, again=False)
            time.sleep(1.5)
            redis.signal(signal.SIGCONT)
            took = load.finish()
            yield "a short halt delays mail and loses none", expect(
                len(load.acknowledged) == 20 and took < 4.0, f"{len(load.acknowledged)} after {took}, {load.deferred[:1]}"
            )
            stored = set(redis.subjects())
            yield "what was acknowledged is stored", expect(stored >= set(load.acknowledged), stored)
            log = serving.whole_log()
            yield "no fault is counted against the processor", expect("fault" not in log and "no answer within" not in log, log[-800:])


def refused_writes(arguments, directory):
    with RedisServer(directory / "redis") as redis, serve(arguments, directory, redis_config(redis)) as serving:
        used = int(re.search(r"used_memory:(\d+)", redis.cli("INFO", "memory"))[1])
        redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", str(used // 2))
        reply = serving.send(mail_of(0))
        yield "a full server defers with 452", expect(reply.startswith("452 4.3.1"), reply)
        redis.cli("CONFIG", "SET", "maxmemory", "0")
        yield "and the next mail is stored when there is room", fault_of_mail(serving.send(mail_of(0)), redis)

        gone = directory / "gone"
        gone.mkdir()
        redis.cli("CONFIG", "SET", "dir", str(gone), "save", "3600 1")
        gone.rmdir()
        redis.try_cli("BGSAVE")
        wait_until("the failed snapshot", lambda: "rdb_last_bgsave_status:err" in redis.cli("INFO", "persistence"))
        reply = serving.send(mail_of(0))
        yield "a server that cannot save (MISCONF) defers with 451", expect(reply.startswith("451 4.3.0"), reply)
        yield "and its word is in the log", expect(serving.logs("MISCONF"), serving.log()[-400:])
        redis.cli("CONFIG", "SET", "save", "")
        yield "and the next mail is stored when it can", fault_of_mail(serving.send(mail_of(0)), redis)

        before = len(redis.keys())
        redis.cli("REPLICAOF", "127.0.0.1", "1")
        reply = serving.send(mail_of(0))
        yield "a read-only replica defers with 451", expect(reply.startswith("451 4.3.0"), reply)
        redis.cli("REPLICAOF", "NO", "ONE")
        yield "and the next mail is stored when it is a master", fault_of_mail(serving.send(mail_of(0)), redis)
        yield "nothing else was stored", expect(len(redis.keys()) == before + 1, len(redis.keys()))


def stream_for_consumers(arguments, directory):
    with RedisServer(directory / "redis", *DURABLE) as redis:
        with serve(arguments, directory, redis_config(redis, redis_stream="mails")) as serving:
            reply = serving.send(mail_of(0), ("a@example.test", '"b c"@example.test'))
            redis.cli("XGROUP", "CREATE", "mails", "workers", "0")
            entry = redis.cli("XREADGROUP", "GROUP", "workers", "one", "STREAMS", "mails", ">").split("\n")
            fields = dict(zip(entry[2::2], entry[3::2], strict=True))
            yield "a consumer gets the key", expect(fields["key"] == key_of(reply), fields)
            told = {"from": "me@example.com", "subject": "mail-0", "helo": "client.example", "remote_ip": "127.0.0.1", "tls": "0"}
            yield "and what is known of the mail", expect(told.items() <= fields.items(), fields)
            to = json.loads(fields["to"])
            yield "and all recipients", expect(to == ["a@example.test", '"b c"@example.test'], to)
            size = len(redis.value(fields["key"]))
            yield "and its size", expect(int(fields["size"]) == size, f"{fields['size']}, {size}")
            load = Load(serving, connections=8, each=50)
            load.wait_for(100)
            redis.kill()
            redis.start()
            load.finish()
            listed = re.findall(r"^key\n(\w+)$", redis.cli("XRANGE", "mails", "-", "+"), re.MULTILINE)
            keys = {key_of(reply) for reply in load.acknowledged.values()} | {fields["key"]}
            yield f"after a crash every one of {len(keys)} is announced ({len(listed)} entries)", expect(
                set(listed) == keys and len(keys) == 401, f"{len(keys - set(listed))} missing"
            )
            yield "and stored", expect(set(redis.keys()) == keys | {"mails"}, len(redis.keys()))
        own = directory / "short"
        own.mkdir()
        config = redis_config(redis, redis_stream="short", redis_stream_max_length=100)
        with serve(arguments, own, config) as serving:
            load = Load(serving, connections=8, each=50)
            load.finish()
            length = int(redis.cli("XLEN", "short"))
            yield "a stream may be cut to a length", expect(100 <= length < 300, length)


def three_nodes_of_a_cluster(arguments, directory):
    nodes = redis_server.cluster(directory)
    try:
        config = redis_config(nodes[0], redis_cluster=True)
        config["redis_interface"] = ", ".join(node.interface for node in nodes[:2])
        with serve(arguments, directory, config) as serving:
            load = Load(serving, connections=16, each=50)
            load.wait_for(200)
            nodes[2].kill()
            time.sleep(0.5)
            nodes[2].start()
            took = load.finish()
            counts = [len(node.keys()) for node in nodes]
            yield f"every node has its share {counts}", expect(min(counts) > 100, counts)
            stored = sorted(sum((node.subjects() for node in nodes), []))
            yield f"with one killed under way acknowledged {len(load.acknowledged)} = stored {len(stored)} ({took:.1f} s)", expect(
                stored == sorted(load.acknowledged) and len(stored) == 800, f"{len(load.deferred)} deferred, {load.other[:2]}"
            )
    finally:
        for node in nodes:
            node.kill()


def failover_by_sentinel(arguments, directory):
    yield from failover(arguments, directory, {})


def failover_by_sentinel_over_tls(arguments, directory):
    authority = PrivateAuthority(directory / "authority")
    yield from failover(arguments, directory, {"tls": authority}, redis_tls_ca_file=str(authority.ca))


def failover(arguments, directory, more, **keys):
    master = RedisServer(directory / "master", *DURABLE, **more)
    replicas = [RedisServer(directory / f"replica{n}", "--replicaof", "127.0.0.1", str(master.port), *DURABLE, **more) for n in (1, 2)]
    watch = (
        f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\nsentinel down-after-milliseconds mymaster 700\n"
        "sentinel failover-timeout mymaster 4000"
    )
    sentinel = RedisServer(directory / "sentinel", sentinel=watch, **more)
    servers = [master, *replicas, sentinel]
    try:
        for replica in replicas:
            wait_until("the replica follows", lambda replica=replica: "master_link_status:up" in replica.cli("INFO", "replication"))
        wait_until("the sentinel knows them", lambda: "num-slaves\n2" in sentinel.cli("SENTINEL", "MASTER", "mymaster"))
        config = redis_config(sentinel, redis_sentinel_master="mymaster", redis_wait_replicas=1, gw_save_timeout="20s", **keys)
        if more:
            config["redis_interface"] = f"rediss://{sentinel.interface}"
        with serve(arguments, directory, config) as serving:
            load = Load(serving, connections=8, each=50)
            load.wait_for(100)
            master.kill()
            took = load.finish()
            yield f"after a failover all {len(load.acknowledged)} mails are acknowledged ({took:.1f} s)", expect(
                len(load.acknowledged) == 400, f"{load.deferred[:2]} {load.other[:2]}"
            )
            port = sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster").split("\n")[1]
            chosen = next((replica for replica in replicas if str(replica.port) == port), None)
            yield "another master was chosen", expect(chosen, port)
            stored = chosen.subjects()
            yield f"acknowledged {len(load.acknowledged)} = stored {len(stored)}", expect(
                stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
            )
    finally:
        for server in servers:
            server.kill()


def the_end_of_the_daemon(arguments, directory):
    with RedisServer(directory / "redis", *DURABLE) as redis, serve(arguments, directory, redis_config(redis)) as serving:
        load = Load(serving, connections=16, each=100, again=False)
        load.wait_for(300)
        status = serving.stop()
        load.finish()
        stored = redis.subjects()
        yield "it ends well under load", expect(status == 0, f"exit status {status}")
        yield f"acknowledged {len(load.acknowledged)} = stored {len(stored)}", expect(
            stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
        )


SCENES = [
    one_key_for_a_message, compressed_mail, without_hasher, two_daemons_at_one_instant, a_table_that_says_where_the_mail_is,
    password_and_database, another_password_at_a_reload,
    tls_with_a_private_authority, certificates_of_clients, unix_socket,
    away_at_start, killed_in_mid_load, stopped_and_slow, refused_writes, stream_for_consumers, three_nodes_of_a_cluster,
    failover_by_sentinel, failover_by_sentinel_over_tls, the_end_of_the_daemon,
]

if __name__ == "__main__":
    if redis_server.missing():
        sys.exit(f"missing Debian packages: {redis_server.missing()}")
    sys.exit(play(SCENES, arguments_of(__doc__)))
