#!/usr/bin/env python3
"""The processor `sql` against private servers of MariaDB and PostgreSQL, and against files of SQLite.

What the clients were told is held against what the database's own client finds: nothing lost, nothing twice; also when the
server is killed and restarted in mid-load, hangs, refuses a row or every row, or is full.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "clients"))

import databases
from databases import PASSWORD, MariaDb, Postgres, wait
from guerrillad import Guerrillad, Load, Refused, mail, send_on
from target import Report

RELEASE = HERE.parents[2] / "target" / "release"
# Of the chain: what is waited for when a database hangs.
SAVE_TIMEOUT = 4.0


def stored(ask):
    """How often each mail of a load is stored, and its hash."""
    rows = ask("SELECT message_id, COUNT(*), MIN(hash) FROM new_mail WHERE message_id LIKE '%@load.test' GROUP BY message_id")
    return {name.removesuffix("@load.test"): (int(count), hash_) for name, count, hash_ in rows}


def fault_of_accounts(load, rows, log):
    """Every mail that was acknowledged is stored once; one that was not, only when the log says that nobody can know."""
    if load.odd:
        return f"odd replies: {list(load.odd.items())[:3]}"
    lost = load.acknowledged - set(rows)
    if lost:
        return f"{len(lost)} of {len(load.acknowledged)} acknowledged mails are lost: {sorted(lost)[:5]}"
    twice = {name for name in load.acknowledged if rows[name][0] != 1}
    if twice:
        return f"stored more than once: {sorted(twice)[:5]}"
    unknown = "".join(line for line in log.splitlines() if "they may be there all the same" in line)
    return expect(
        not (more := {name for name in set(rows) - load.acknowledged if rows[name][1] not in unknown}),
        f"stored though deferred, and the log does not say so: {sorted(more)[:5]}",
    )


def delivery(database, daemon):
    """Both families of addresses, several recipients, UTF-8, the id."""
    text = mail("first", "To: in the body\r\n.\r\n\0\xff\r\n", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe_=F0=9F=98=80?=")
    code, reply = daemon.send(text, ("alice@example.test", "bob@example.test"))
    yield "acknowledged", expect(code == 250, reply)
    columns = f"recipient, subject, {database.hex_ip}, message_id, hash, {database.quote}from{database.quote}, body"
    rows = database.ask(f"SELECT {columns} FROM new_mail ORDER BY mail_id")
    hash_ = reply.rsplit(" ", 1)[-1]
    wanted = [[f"{name}@example.test", "Grüße 😀", "7F000001", "first@load.test", hash_, "ada@example.com", ""] for name in ("alice", "bob")]
    yield "the rows are as they should be, and the client's id is the hash", expect(rows == wanted, rows)
    mails = {bytes.fromhex(octets) for (octets,) in database.ask(f"SELECT {database.hex_mail} FROM new_mail")}
    whole = len(mails) == 1 and all(one.startswith(b"Return-Path: <ada@example.com>\r\n") and one.endswith(b"\r\n" + text) for one in mails)
    yield "the message is there octet for octet, with its delivery header", expect(whole, mails)
    code, reply = daemon.send(mail("six", subject="é" * 200), host="::1", sender="")
    yield "from IPv6 and the null reverse-path", expect(code == 250, reply)
    rows = database.ask(f"SELECT {database.hex_ip}, return_path, subject FROM new_mail WHERE message_id = 'six@load.test'")
    yield "sixteen bytes, and a subject cut between characters", expect(rows == [[f"{1:032X}", "", "é" * 127]], rows)


def killed(database, daemon):
    """SIGKILL in mid-load, twice, and a restart."""
    with Load(daemon, "killed") as load:
        for _ in range(2):
            load.wait_for_more(200)
            database.kill()
            database.start()
        load.wait_for_more(200)
    rows = {name: row for name, row in stored(database.ask).items() if name.startswith("killed")}
    check = f"killed twice: {len(load.acknowledged)} acknowledged, {len(load.deferred)} not, {len(rows)} stored"
    yield check, fault_of_accounts(load, rows, daemon.said())


def away(database, daemon):
    """Down for longer than a message can wait."""
    database.kill()
    began = time.monotonic()
    code, reply = daemon.send(mail("away"))
    took = time.monotonic() - began
    yield "deferred", expect(code == 451 and reply.startswith("4.3.0"), (code, reply))
    yield f"after {took:.1f} s, in which it was tried again", expect(SAVE_TIMEOUT * 0.6 < took < SAVE_TIMEOUT + 1, took)
    database.start()
    code, reply = daemon.send(mail("back"))
    yield "the next mail after it is back is stored", expect(code == 250 and "back" in stored(database.ask), (code, reply))
    yield "the deferred one is not", expect("away" not in stored(database.ask), "stored")


def slow(database, daemon):
    """SIGSTOP: for less than a message can wait, and for more."""
    with Load(daemon, "slow") as load:
        load.wait_for_more(100)
        database.freeze()
        frozen = len(load.acknowledged)
        time.sleep(SAVE_TIMEOUT / 2)
        acknowledged = len(load.acknowledged) - frozen
        database.thaw()
        load.wait_for_more(100)
    rows = {name: row for name, row in stored(database.ask).items() if name.startswith("slow")}
    yield "nothing is acknowledged while it hangs (but what was committed before)", expect(acknowledged <= 8, acknowledged)
    yield f"nothing is deferred, {len(load.acknowledged)} stored", fault_of_accounts(load, rows, daemon.said()) or expect(
        not load.deferred, sorted(load.deferred)[:5]
    )
    database.freeze()
    began = time.monotonic()
    code, reply = daemon.send(mail("hung"))
    took = time.monotonic() - began
    yield f"hangs on: deferred after {took:.1f} s", expect(code == 451 and took < SAVE_TIMEOUT, (code, reply, took))
    database.thaw()
    code, reply = daemon.send(mail("thawed"))
    yield "the next mail is stored", expect(code == 250 and "thawed" in stored(database.ask), (code, reply))


def refused(database, daemon):
    """A table that may only be read."""
    database.forbid()
    code, reply = daemon.send(mail("forbidden"))
    yield "deferred", expect(code == 451 and reply.startswith("4.3.0"), (code, reply))
    yield "the log has the database's words", expect(database.forbidden in daemon.said(), daemon.said()[-400:])
    database.allow()
    code, reply = daemon.send(mail("allowed"))
    yield "allowed again: stored", expect(code == 250 and "allowed" in stored(database.ask), (code, reply))


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
    deferred = {number for number, (code, _) in replies.items() if code == 451}
    yield "only these are deferred", expect(deferred == bad and all(code in (250, 451) for code, _ in replies.values()), replies)
    rows = {int(name[3:]) for name in stored(database.ask) if name.startswith("row")}
    yield "all others are stored", expect(rows == set(range(30)) - bad, rows)
    database.ask("ALTER TABLE new_mail DROP CONSTRAINT no_bad")


def too_large(database, daemon):
    """MariaDB's limit of a packet."""
    if database.driver != "mysql":
        return
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        large = pool.submit(daemon.send, mail("large", "x" * 70 * 20000))
        small = [pool.submit(daemon.send, mail(f"small{number}")) for number in range(8)]
        code, reply = large.result()
        yield "refused for its size", expect(code == 552 and reply.startswith("5.3.4"), (code, reply))
        yield "small ones beside it are stored", expect(all(future.result()[0] == 250 for future in small), "refused")
    names = stored(database.ask)
    yield "as the table shows", expect("large" not in names and "small7" in names, sorted(names))
    code, reply = daemon.send(mail("fitting", ("x" * 70 + "\r\n") * 12000))
    yield "nearly as large is stored", expect(code == 250, (code, reply))


def secrets(database, daemon):
    """The password is nowhere in what was said, in any scene before."""
    yield "the log does not have the password", expect(PASSWORD not in daemon.said(), "it has")
    yield "nor does it have a panic", expect("panicked" not in daemon.said(), "it has")


SCENES = [delivery, killed, away, slow, refused, one_bad_row, too_large, secrets]


def server_scenes(report, arguments, directory, make):
    with make(directory / make.name) as database:
        password = directory / make.name / "password-of-mail"
        password.write_text(PASSWORD + "\n")
        backend = {"sql_driver": database.driver, "sql_dsn": database.dsn(), "sql_password": {"file": str(password)},
                   "sql_create_table": True, "gw_save_timeout": f"{SAVE_TIMEOUT:.0f}s"}  # fmt: skip
        with Guerrillad(arguments, directory / f"{make.name}-daemon", backend) as daemon:
            for scene in SCENES:
                if arguments.only in f"{make.name} {scene.__name__}":
                    play(report, f"{make.name} {scene.__name__}", scene(database, daemon))
            status = daemon.end()
            report.note(f"{make.name}: the daemon ends well", expect(status == 0, f"exit status {status}"))
        if arguments.only in f"{make.name} tls":
            play(report, f"{make.name} tls", tls(database, arguments, directory, backend))


def tls(database, arguments, directory, backend):
    """An authority of the operator's own, another one, a wrong password; the account insists on TLS."""
    databases.certify(database.directory, database)
    database.kill()
    database.start()
    certificates = database.directory / "tls"
    backend |= {"sql_dsn": database.dsn("tls"), "sql_create_table": False, "sql_ca_file": str(certificates / "ca.pem")}
    database.ask("GRANT ALL ON new_mail TO tls" if database.driver == "postgres" else "SELECT 1")
    with Guerrillad(arguments, directory / f"{database.name}-tls", backend) as daemon:
        code, reply = daemon.send(mail("encrypted"))
        yield "stored over TLS", expect(code == 250 and "encrypted" in stored(database.ask), (code, reply))
        if database.driver == "postgres":
            used = database.ask("SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND usename = 'tls'")
            yield "the server says so", expect(int(used[0][0]) > 0, used)
    for what, change, says in [
        ("another authority is not believed", {"sql_ca_file": str(certificates / "other.pem")}, "UnknownIssuer"),
        ("a wrong password", {"sql_password": f"not-{PASSWORD}"}, "sql_dsn: cannot connect"),
    ]:
        try:
            with Guerrillad(arguments, directory / f"{database.name}-{len(what)}", {**backend, **change}):
                yield what, "the daemon starts"
        except Refused as error:
            yield what, expect(says in str(error) and PASSWORD not in str(error), error)


def sqlite_crash(arguments, directory):
    """SIGKILL of the daemon in mid-load: what was acknowledged is in the file."""
    path = directory / "crash.sqlite"
    with Guerrillad(arguments, directory / "sqlite-crash", {"sql_dsn": str(path)}) as daemon:
        with Load(daemon, "crash") as load:
            for _ in range(2):
                load.wait_for_more(200)
                daemon.crash()
                daemon.start()
            load.wait_for_more(100)
        rows = stored(sqlite_client(path))
        lost = load.acknowledged - set(rows)
        yield f"{len(load.acknowledged)} acknowledged, {len(rows)} stored", expect(not lost, sorted(lost)[:5])
        twice = [name for name, (count, _) in rows.items() if count != 1]
        yield "each once", expect(not twice, twice[:5])


def sqlite_full(arguments, directory):
    """A file system without room; it is the daemon's alone."""
    disk = directory / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=4m,mode=755 tmpfs "$0" && exec "$@"'
    starter = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"]), "sh", "-c", script, str(disk)]
    with Guerrillad(arguments, directory / "sqlite-full", {"sql_dsn": str(disk / "mail.sqlite")}, starter) as daemon:
        # What the daemon sees.
        root = pathlib.Path(f"/proc/{daemon.process.pid}/root")
        inside = root / disk.relative_to("/")
        code, reply = daemon.send(mail("before"))
        yield "with room", expect(code == 250, (code, reply))
        filler = inside / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        large = mail("full", ("x" * 70 + "\r\n") * 4000)
        with daemon.client() as client:
            for number in range(3):
                code, reply = send_on(client, large)
                yield f"full, mail {number}", expect(code == 452 and reply.startswith("4.3.1"), (code, reply))
            filler.unlink()
            code, reply = send_on(client, mail("after", ("x" * 70 + "\r\n") * 4000))
            yield "with room again", expect(code == 250, (code, reply))
        # SQLite's client would follow the link out of what the daemon sees.
        for file in inside.glob("mail.sqlite*"):
            shutil.copyfile(file, directory / file.name)
        names = set(stored(sqlite_client(directory / "mail.sqlite")))
        yield "stored are those that were acknowledged", expect(names == {"before", "after"}, names)


def sqlite_client(path):
    def ask(sql):
        done = subprocess.run(["sqlite3", "-cmd", ".timeout 10000", "-tabs", str(path), sql], capture_output=True, text=True, check=True, timeout=60)
        return [line.split("\t") for line in done.stdout.splitlines()]

    return ask


def play(report, name, checks):
    """Reports the checks of a scene; a scene that breaks off is a fault as well."""
    try:
        for check, fault in checks:
            report.note(f"{name}: {check}", fault)
    except (OSError, RuntimeError, LookupError, ValueError, Refused, subprocess.SubprocessError) as error:
        report.note(name, f"{type(error).__name__}: {error}")


def expect(condition, otherwise):
    """None when the condition holds, else what was seen."""
    return None if condition else str(otherwise)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--daemon", type=pathlib.Path, default=RELEASE / "guerrillad", help="the binary (default: %(default)s)")
    options.add_argument("--plugins", type=pathlib.Path, default=RELEASE / "plugins", help="its plugins (default: %(default)s)")
    options.add_argument("--only", default="", help="only scenes whose name contains this, such as 'postgres slow'")
    arguments = options.parse_args()
    arguments.daemon, arguments.plugins = arguments.daemon.resolve(), arguments.plugins.resolve()
    # Whoever loses patience is to leave no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="guerrillad-sql-") as directory:
        directory = pathlib.Path(directory)
        directory.chmod(0o755)
        for scene in (sqlite_crash, sqlite_full):
            if arguments.only in f"sqlite {scene.__name__}":
                play(report, scene.__name__.replace("_", " "), scene(arguments, directory))
        for make in (MariaDb, Postgres):
            if make.name in arguments.only or arguments.only.split(" ")[0] in ("", *(scene.__name__ for scene in SCENES)):
                server_scenes(report, arguments, directory, make)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
