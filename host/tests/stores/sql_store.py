#!/usr/bin/env python3
"""The processor `sql` against private servers of MariaDB and PostgreSQL, and against files of SQLite.

What the clients were told is held against what the database's own client finds: nothing lost, nothing twice; also when the
server is killed and restarted in mid-load, hangs, refuses a row or every row, or is full.
"""

import concurrent.futures
import contextlib
import functools
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.parse

import databases
from between import Gate
from databases import PASSWORD, MariaDb, Postgres
from private import PrivateAuthority, PrivateDisk
from sending import Load, mail
from serving import Refused, Serving, arguments_of, expect, fault_of_names, play

# Of the chain: what is waited for when a database hangs.
SAVE_TIMEOUT = 4.0
CHAIN = "HeadersParser|Header|Hasher|sql"
SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "plugins" / "sql" / "schema"
# The default statement, but for the session's mode behind the subject.
COLUMNS = ["date", "to", "from", "subject", "body", "mail", "spam_score", "hash", "content_type", "recipient", "has_attach", "ip_addr",
           "return_path", "is_tls", "message_id", "reply_to", "sender"]  # fmt: skip
INSERT = f"INSERT INTO new_mail ({', '.join(f'`{column}`' for column in COLUMNS)}) VALUES"
WITH_MODE = "(NOW(), ?, ?, CONCAT(?, ' ', @@sql_mode), ?, ?, 0, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)"


def stored(ask):
    """How often each mail of a load is stored, and its hash."""
    rows = ask("SELECT message_id, COUNT(*), MIN(hash) FROM new_mail WHERE message_id LIKE '%@load.test' GROUP BY message_id")
    return {name.removesuffix("@load.test"): (int(count), hash_) for name, count, hash_ in rows}


def fault_of_accounts(load, rows, log):
    """Every mail that was acknowledged is stored once; one that was not, only when the log says that nobody can know."""
    if load.other:
        return f"odd replies: {load.other[:3]}"
    acknowledged = set(load.acknowledged)
    lost = acknowledged - set(rows)
    if lost:
        return f"{len(lost)} of {len(acknowledged)} acknowledged mails are lost: {sorted(lost)[:5]}"
    twice = {name for name in acknowledged if rows[name][0] != 1}
    if twice:
        return f"stored more than once: {sorted(twice)[:5]}"
    unknown = "".join(line for line in log.splitlines() if "they may be there all the same" in line)
    return expect(
        not (more := {name for name in set(rows) - acknowledged if rows[name][1] not in unknown}),
        f"stored though deferred, and the log does not say so: {sorted(more)[:5]}",
    )


def delivery(database, daemon):
    """Both families of addresses, several recipients, UTF-8, the id."""
    text = mail("first", "To: in the body\r\n.\r\n\0\xff\r\n", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe_=F0=9F=98=80?=")
    reply = daemon.send(text, ("alice@example.test", "bob@example.test"))
    yield "acknowledged", expect(reply.startswith("250"), reply)
    columns = f"recipient, subject, {database.hex_ip}, message_id, hash, {database.quote}from{database.quote}, body"
    rows = database.ask(f"SELECT {columns} FROM new_mail ORDER BY mail_id")
    hash_ = reply.rsplit(" ", 1)[-1]
    wanted = [[f"{name}@example.test", "Grüße 😀", "7F000001", "first@load.test", hash_, "me@example.com", ""] for name in ("alice", "bob")]
    yield "the rows are as they should be, and the client's id is the hash", expect(rows == wanted, rows)
    mails = {bytes.fromhex(octets) for (octets,) in database.ask(f"SELECT {database.hex_mail} FROM new_mail")}
    whole = len(mails) == 1 and all(one.startswith(b"Return-Path: <me@example.com>\r\n") and one.endswith(b"\r\n" + text) for one in mails)
    yield "the message is there octet for octet, with its delivery header", expect(whole, mails)
    reply = daemon.send(mail("six", subject="é" * 200), host="::1", sender="")
    yield "from IPv6 and the null reverse-path", expect(reply.startswith("250"), reply)
    rows = database.ask(f"SELECT {database.hex_ip}, return_path, subject FROM new_mail WHERE message_id = 'six@load.test'")
    yield "sixteen bytes, and a subject cut between characters", expect(rows == [[f"{1:032X}", "", "é" * 127]], rows)


def killed(database, daemon):
    """SIGKILL in mid-load, twice, and a restart."""
    with Load(daemon, 8, again=False, name="killed") as load:
        for _ in range(2):
            load.wait_for_more(200)
            database.kill()
            database.start()
        load.wait_for_more(200)
    rows = {name: row for name, row in stored(database.ask).items() if name.startswith("killed")}
    check = f"killed twice: {len(load.acknowledged)} acknowledged, {len(load.deferred)} not, {len(rows)} stored"
    yield check, fault_of_accounts(load, rows, daemon.log())


def away(database, daemon):
    """Down for longer than a message can wait."""
    database.kill()
    began = time.monotonic()
    reply = daemon.send(mail("away"))
    took = time.monotonic() - began
    yield "deferred", expect(reply.startswith("451 4.3.0"), reply)
    yield "the log says which message, and which server", fault_of_names(daemon, f"{database.driver} 127.0.0.1:{database.port}/mail")
    yield f"after {took:.1f} s, in which it was tried again", expect(SAVE_TIMEOUT * 0.6 < took < SAVE_TIMEOUT + 1, took)
    database.start()
    reply = daemon.send(mail("back"))
    yield "the next mail after it is back is stored", expect(reply.startswith("250") and "back" in stored(database.ask), reply)
    yield "the deferred one is not", expect("away" not in stored(database.ask), "stored")


def slow(database, daemon):
    """SIGSTOP: for less than a message can wait, and for more."""
    with Load(daemon, 8, again=False, name="slow") as load:
        load.wait_for_more(100)
        database.freeze()
        frozen = len(load.acknowledged)
        time.sleep(SAVE_TIMEOUT / 2)
        acknowledged = len(load.acknowledged) - frozen
        database.thaw()
        load.wait_for_more(100)
    rows = {name: row for name, row in stored(database.ask).items() if name.startswith("slow")}
    yield "nothing is acknowledged while it hangs (but what was committed before)", expect(acknowledged <= 8, acknowledged)
    yield f"nothing is deferred, {len(load.acknowledged)} stored", fault_of_accounts(load, rows, daemon.log()) or expect(
        not load.deferred, sorted(load.deferred)[:5]
    )
    database.freeze()
    began = time.monotonic()
    reply = daemon.send(mail("hung"))
    took = time.monotonic() - began
    yield f"hangs on: deferred after {took:.1f} s", expect(reply.startswith("451") and took < SAVE_TIMEOUT, (reply, took))
    database.thaw()
    reply = daemon.send(mail("thawed"))
    yield "the next mail is stored", expect(reply.startswith("250") and "thawed" in stored(database.ask), reply)


def refused(database, daemon):
    """A table that may only be read."""
    database.forbid()
    reply = daemon.send(mail("forbidden"))
    yield "deferred", expect(reply.startswith("451 4.3.0"), reply)
    yield "the log has the database's words", expect(daemon.logs(database.forbidden), daemon.log()[-400:])
    database.allow()
    reply = daemon.send(mail("allowed"))
    yield "allowed again: stored", expect(reply.startswith("250") and "allowed" in stored(database.ask), reply)


def one_bad_row(database, daemon):
    """A constraint that one of many messages violates, in the same transaction as others."""
    database.ask("ALTER TABLE new_mail ADD CONSTRAINT no_bad CHECK (subject <> 'bad')")
    bad = {7, 23}
    database.freeze()
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        replies = {
            number: pool.submit(daemon.send, mail(f"row{number}", subject="bad" if number in bad else "good")) for number in range(30)
        }
        # All but the first ones wait for the next transaction.
        time.sleep(1)
        database.thaw()
    replies = {number: future.result() for number, future in replies.items()}
    deferred = {number for number, reply in replies.items() if reply.startswith("451")}
    others = all(reply[:3] in ("250", "451") for reply in replies.values())
    yield "only these are deferred", expect(deferred == bad and others, replies)
    rows = {int(name[3:]) for name in stored(database.ask) if name.startswith("row")}
    yield "all others are stored", expect(rows == set(range(30)) - bad, rows)
    database.ask("ALTER TABLE new_mail DROP CONSTRAINT no_bad")


def too_large(database, daemon):
    """MariaDB's limit of a packet."""
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        large = pool.submit(daemon.send, mail("large", ("x" * 70 + "\r\n") * 20000))
        small = [pool.submit(daemon.send, mail(f"small{number}")) for number in range(8)]
        reply = large.result()
        yield "refused for its size", expect(reply.startswith("552 5.3.4"), reply)
        yield "small ones beside it are stored", expect(all(future.result().startswith("250") for future in small), "refused")
    names = stored(database.ask)
    yield "as the table shows", expect("large" not in names and "small7" in names, sorted(names))
    reply = daemon.send(mail("fitting", ("x" * 70 + "\r\n") * 12000))
    yield "nearly as large is stored", expect(reply.startswith("250"), reply)


def slow_commit(arguments, directory):
    """COMMIT takes longer than one of its messages can wait, and not longer than the other."""
    with MariaDb(directory / "MariaDb") as database, Gate(database.port) as gate:
        keys = {"sql_dsn": database.dsn(more="?tls=false", port=gate.port), "sql_max_open_conns": 1}
        with serve(arguments, directory, database, **keys) as daemon, concurrent.futures.ThreadPoolExecutor(3) as pool:
            first = pool.submit(daemon.send, mail("first"))
            gate.wait()
            stale = pool.submit(daemon.send, mail("stale"))
            time.sleep(SAVE_TIMEOUT / 2)
            fresh = pool.submit(daemon.send, mail("fresh"))
            # Both wait for the next transaction; the one has a third of its time left.
            time.sleep(0.3)
            gate.let_through()
            yield "the first one is stored", expect(first.result().startswith("250"), first.result())
            gate.wait()
            yield "one whose time ends is deferred", expect(stale.result().startswith("451 4.3.0"), stale.result())
            gate.let_through()
            yield "the other one hears that it is stored", expect(fresh.result().startswith("250"), fresh.result())
            rows = {name: count for name, (count, _) in stored(database.ask).items()}
            yield "all were in the transaction, once", expect(rows == {"first": 1, "stale": 1, "fresh": 1}, rows)
            named = [line for line in daemon.log().splitlines() if "they may be there all the same" in line]
            yield "the log names the one that nobody can know of", expect(len(named) == 1, named)


def not_strict(arguments, directory):
    """A server whose own mode lets it cut what a column does not hold."""
    with MariaDb(directory / "MariaDb") as database:
        for engine, mode in (("InnoDB", "PIPES_AS_CONCAT"), ("InnoDB", ""), ("MyISAM", ""), ("MyISAM", "STRICT_TRANS_TABLES")):
            database.ask(f"SET GLOBAL sql_mode = '{mode}'")
            database.ask("DROP TABLE IF EXISTS new_mail")
            database.ask(small_table(engine))
            name = f"{engine} {mode}".strip()
            keys = {"sql_create_table": False, "sql_insert": INSERT, "sql_values": WITH_MODE}
            with serve(arguments, directory, database, name.replace(" ", "-"), **keys) as daemon:
                large = daemon.send(mail("large", ("x" * 70 + "\r\n") * 1500), ("me@a.test",))
                named = daemon.logs("Data too long for column 'mail'")
                yield f"{name}: a mail that its column does not hold is deferred", expect(large.startswith("451 4.3.0") and named, large)
                long = daemon.send(mail("long"), ("me@a.test", "somebody.else@a.test"))
                named = daemon.logs("Data too long for column 'recipient'")
                yield f"{name}: so is a recipient, in whichever row", expect(long.startswith("451 4.3.0") and named, long)
                fitting = daemon.send(mail("fitting"), ("me@a.test",))
                yield f"{name}: what fits is stored", expect(fitting.startswith("250"), fitting)
            cut = database.ask("SELECT recipient, LENGTH(mail) FROM new_mail WHERE recipient <> 'me@a.test' OR LENGTH(mail) > 2000")
            yield f"{name}: nothing is cut", expect(cut == [], cut)
            [[modes]] = database.ask("SELECT subject FROM new_mail WHERE message_id = 'fitting@load.test'")
            # The driver asks for IGNORE_SPACE by itself.
            wanted = {"STRICT_ALL_TABLES", "IGNORE_SPACE", *mode.split(",")} - {""}
            yield f"{name}: the server's other modes are in effect", expect(set(modes.split()[-1].split(",")) == wanted, modes)


def small_table(engine):
    """The documented one, but too small, and with another engine."""
    text = (SCHEMA / "mysql.sql").read_text().replace("InnoDB", engine).replace("LONGBLOB", "BLOB")
    return text.replace("`recipient` VARCHAR(255)", "`recipient` VARCHAR(16)")


def another_password(database, daemon):
    """It stands in a file, which a reload reads again."""
    another = f"another-{PASSWORD}"
    database.change_password(another)
    reply = daemon.send(mail("stale"))
    yield "the one that is no longer good defers", expect(reply.startswith("451 4.3.0"), reply)
    (daemon.directory / "password").write_text(f"{another}\n")
    daemon.reload()
    reply = daemon.send(mail("fresh"))
    yield "the one that the file holds at the reload stores", expect(reply.startswith("250") and "fresh" in stored(database.ask), reply)


def full(database, daemon):
    """No room on its disk. Small rows: MariaDB 10.11 aborts when it has to take back a large one and has no room for that."""
    replies = {"before": daemon.send(mail("before"))}
    with database.full():
        for number in range(1000):
            reply = replies[f"full{number}"] = daemon.send(mail(f"full{number}"))
            if not reply.startswith("250"):
                break
        yield f"mail {number} has no room, and is deferred with 452", expect(reply.startswith("452 4.3.1"), reply)
        reply = replies["another"] = daemon.send(mail("another"))
        yield "as is the next", expect(reply.startswith("452 4.3.1"), reply)
    reply = replies["after"] = daemon.send(mail("after"))
    yield "with room again the next mail is stored", expect(reply.startswith("250"), reply)
    acknowledged, names = {name for name, reply in replies.items() if reply.startswith("250")}, set(stored(database.ask))
    yield f"{len(acknowledged)} acknowledged = {len(names)} stored", expect(acknowledged == names, acknowledged ^ names)


SCENES = [delivery, killed, away, slow, refused, one_bad_row, another_password]


def with_server(make, scene, arguments, directory, room=None):
    """Plays a scene with a daemon and a database of its own."""
    with make(directory / make.name, room) as database:
        with serve(arguments, directory, database) as daemon:
            yield from scene(database, daemon)
            status = daemon.stop()
            yield "the daemon ends well", expect(status == 0, f"exit status {status}")
            yield "the log has no password and no panic", expect(
                PASSWORD not in daemon.log() and "panicked" not in daemon.log(), daemon.log()[-800:]
            )


def serve(arguments, directory, database, name="daemon", **keys):
    own = directory / name
    own.mkdir(mode=0o755)
    (own / "password").write_text(PASSWORD + "\n")
    config = {"save_process": CHAIN, "validate_process": "sql", "sql_driver": database.driver, "sql_dsn": database.dsn(),
              "sql_password": {"file": str(own / "password")}, "sql_create_table": True, "gw_save_timeout": f"{SAVE_TIMEOUT:.0f}s"}  # fmt: skip
    return Serving(arguments, own, config | keys, ["sql"])


def other_ways(make, arguments, directory):
    """Its socket; TLS with an authority of the operator's own, another one, a wrong password. The account insists on TLS."""
    with make(directory / make.name) as database:
        with serve(arguments, directory, database, "socket", sql_dsn=database.socket_dsn()) as daemon:
            reply = daemon.send(mail("by-socket"))
            yield "stored through the socket", expect(reply.startswith("250") and "by-socket" in stored(database.ask), reply)
        authority, other = databases.certify(database), PrivateAuthority(directory / "another-authority")
        keys = {"sql_dsn": database.dsn("tls"), "sql_create_table": False, "sql_ca_file": str(authority.ca)}
        if database.driver == "postgres":
            database.ask("GRANT ALL ON new_mail TO tls")
        with serve(arguments, directory, database, "tls", **keys) as daemon:
            reply = daemon.send(mail("encrypted"))
            yield "stored over TLS", expect(reply.startswith("250") and "encrypted" in stored(database.ask), reply)
            if database.driver == "postgres":
                used = database.ask("SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND usename = 'tls'")
                yield "the server says so", expect(int(used[0][0]) > 0, used)
        with serve(arguments, directory, database, "other", **{**keys, "sql_ca_file": str(other.ca)}) as daemon:
            reply = daemon.send(mail("other"))
            fine = reply.startswith("451 4.3.0") and daemon.logs("UnknownIssuer") and "other" not in stored(database.ask)
            yield "a server that another authority vouches for gets nothing", expect(fine, reply)
        for what, change in {
            "a wrong password": {"sql_password": f"not-{PASSWORD}"},
            "an unknown database": {"sql_dsn": keys["sql_dsn"].replace("/mail", "/letters")},
            "a missing table": {"mail_table": "letters"},
        }.items():
            try:
                with serve(arguments, directory, database, what.rpartition(" ")[2], **{**keys, **change}):
                    yield f"{what} is an error at start", "the daemon starts"
            except Refused as refused:
                says = f"{database.name.replace('mariadb', 'mysql')} 127.0.0.1:{database.port}/"
                fine = refused.status == 78 and says in str(refused) and PASSWORD not in str(refused)
                yield f"{what} is an error at start", expect(fine, refused)


def later(make, arguments, directory):
    """The daemon is there before the database."""
    with make(directory / make.name) as database:
        database.kill()
        with serve(arguments, directory, database) as daemon:
            place = f"{database.driver} 127.0.0.1:{database.port}/mail"
            yield "the daemon starts and says what is missing", expect(daemon.logs(f"{place}: cannot connect: "), daemon.log()[-600:])
            reply = daemon.send(mail("early"))
            yield "mail is deferred meanwhile", expect(reply.startswith("451 4.3.0"), reply)
            database.start()
            reply = daemon.send(mail("later"))
            yield "the first one behind it is stored, in a table that is made now", expect(
                reply.startswith("250") and list(stored(database.ask)) == ["later"], reply
            )
            yield "and the log says where", expect(daemon.logs(f"stores in {place}"), daemon.log()[-600:])
            log = daemon.whole_log()
            yield "without the password", expect(PASSWORD not in log, "it is there")


def other_certificate(make, arguments, directory):
    """The server's certificate comes from another authority: after SIGHUP the file with the authorities is taken as it is then."""
    with make(directory / make.name) as database:
        authority = databases.certify(database)
        ca = directory / "authorities of ours.pem"
        url = f"{database.driver}://tls:{PASSWORD}@127.0.0.1:{database.port}/mail"
        url += {
            "mysql": f"?ssl-mode=VERIFY_IDENTITY&ssl-ca={urllib.parse.quote_plus(str(ca))}",
            "postgres": f"?sslmode=verify-full&sslrootcert={urllib.parse.quote(str(ca))}",
        }[database.driver]
        for name, keys in {"file": {"sql_dsn": database.dsn("tls"), "sql_ca_file": str(ca)}, "dsn": {"sql_dsn": url}}.items():
            replaced(ca, authority)
            with serve(arguments, directory, database, name, **keys) as daemon:
                reply = daemon.send(mail(f"before-{name}"))
                yield f"by {name}: stored over TLS", expect(reply.startswith("250"), f"{reply} {daemon.log()[-500:]}")
                authority = databases.certify(database)
                reply = daemon.send(mail("between"))
                yield f"by {name}: a server that is not vouched for any more gets nothing", expect(reply.startswith("451"), reply)
                replaced(ca, authority)
                daemon.reload()
                yield f"by {name}: the file is taken anew", expect(daemon.logs(f"file {ca} has changed and is in use"), daemon.log()[-500:])
                reply = daemon.send(mail(f"after-{name}"))
                yield f"by {name}: the next mail is stored", expect(reply.startswith("250"), f"{reply} {daemon.log()[-500:]}")
        names = {"before-file", "after-file", "before-dsn", "after-dsn"}
        yield "stored is what was acknowledged", expect(set(stored(database.ask)) == names, stored(database.ask))


def replaced(ca, authority):
    """Puts the authority's certificate in the place of whatever is in the file, as tools do: at once."""
    draft = ca.with_suffix(".new")
    shutil.copyfile(authority.ca, draft)
    draft.rename(ca)


def sqlite_crash(arguments, directory):
    """SIGKILL of the daemon in mid-load: what was acknowledged is in the file."""
    path = directory / "crash.sqlite"
    with Serving(arguments, directory, {"save_process": CHAIN, "sql_dsn": str(path)}, ["sql"]) as daemon:
        with Load(daemon, 8, again=False, name="crash") as load:
            for _ in range(2):
                load.wait_for_more(200)
                daemon.crash_and_start()
            load.wait_for_more(100)
        rows = stored(sqlite_client(path))
        lost = set(load.acknowledged) - set(rows)
        yield f"{len(load.acknowledged)} acknowledged, {len(rows)} stored", expect(not lost, sorted(lost)[:5])
        twice = [name for name, (count, _) in rows.items() if count != 1]
        yield "each once", expect(not twice, twice[:5])


def mistyped(arguments, directory):
    """What is no address becomes no file, least of all one with a password in its name."""
    for number, dsn in enumerate((f"host=127.0.0.1 user=u password={PASSWORD}", f"root:{PASSWORD}@127.0.0.1:3306/mail")):
        own = directory / str(number)
        try:
            with Serving(arguments, own, {"save_process": CHAIN, "sql_dsn": dsn}, ["sql"]):
                fault = "the daemon starts"
        except Refused as refused:
            fault = expect(refused.status == 78 and "set sql_driver" in str(refused) and PASSWORD not in str(refused), refused)
        yield f"address {number} is an error that says what to do", fault
        made = [path.name for path in own.iterdir() if PASSWORD in path.name or "sqlite" in path.name]
        yield f"address {number} makes no file", expect(made == [], made)
    with Serving(arguments, directory / "none", {"save_process": CHAIN}, ["sql"]) as daemon:
        path = daemon.directory / "guerrillad.sqlite"
        yield "without an address the log says which file it is", expect(daemon.logs(f"stores in sqlite {path}"), daemon.log()[-600:])


def sqlite_full(arguments, directory):
    """A file system without room; it is the daemon's alone."""
    disk = directory / "disk"
    disk.mkdir()
    private = PrivateDisk(disk, 4, "root")
    config = {"save_process": CHAIN, "sql_dsn": str(disk / "mail.sqlite")}
    with contextlib.closing(private), Serving(arguments, directory, config, ["sql"], starter=private.inside()) as daemon:
        reply = daemon.send(mail("before"))
        yield "with room", expect(reply.startswith("250"), reply)
        body = ("x" * 70 + "\r\n") * 4000
        client = daemon.client()
        with private.full():
            for number in range(3):
                reply = client.mail(mail("full", body))
                yield f"full, mail {number}", expect(reply.startswith("452 4.3.1"), reply)
        reply = client.mail(mail("after", body))
        yield "with room again", expect(reply.startswith("250"), reply)
        client.close()
        # SQLite's client would follow the link out of what the daemon sees.
        for file in private.from_outside.glob("mail.sqlite*"):
            shutil.copyfile(file, directory / file.name)
        names = set(stored(sqlite_client(directory / "mail.sqlite")))
        yield "stored are those that were acknowledged", expect(names == {"before", "after"}, names)


def sqlite_client(path):
    def ask(sql):
        done = subprocess.run(["sqlite3", "-cmd", ".timeout 10000", "-tabs", str(path), sql], capture_output=True, text=True, check=True, timeout=60)
        return [line.split("\t") for line in done.stdout.splitlines()]

    return ask


def scenes():
    yield from [("sqlite crash", sqlite_crash), ("sqlite full", sqlite_full), ("sqlite mistyped", mistyped)]
    yield from [("mariadb slow commit", slow_commit), ("mariadb not strict", not_strict)]
    for make in (MariaDb, Postgres):
        for scene in [*SCENES, *([too_large] if make is MariaDb else [])]:
            yield f"{make.name} {scene.__name__.replace('_', ' ')}", functools.partial(with_server, make, scene)
        room = {MariaDb: 64, Postgres: 200}[make]
        yield f"{make.name} full", functools.partial(with_server, make, full, room=room)
        yield f"{make.name} other ways", functools.partial(other_ways, make)
        yield f"{make.name} later", functools.partial(later, make)
        yield f"{make.name} other certificate", functools.partial(other_certificate, make)


if __name__ == "__main__":
    if databases.missing() or not shutil.which("sqlite3"):
        sys.exit(f"missing Debian packages: {databases.missing()} sqlite3")
    sys.exit(play(scenes(), arguments_of(__doc__)))
