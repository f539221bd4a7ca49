#!/usr/bin/env python3
"""How many messages a second each storing processor takes: as it comes, and one by one as go-guerrilla works.

    make bench-stores
    host/tests/stores/throughput.py --only mariadb --writers 1 2 4 8

Mail comes by SMTP from `guerrilla-bench` (bench/), so what is measured is what clients see. Each sink is as durable as it says
it is by default; servers are private ones, with their data below --directory, which should be on the disk in question. The two ways take
turns, each with a server's worth of data of its own, and what is told is the median of the rounds and of their ratios.

One by one: one thread, one message at a time, and for FastCGI a connection for each, which is what go-guerrilla does unless
`save_workers_size` says otherwise.
"""

import argparse
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from databases import PASSWORD, MariaDb, Postgres
from guerrilla_db_redis_store import table
from php_fpm import PHP, PhpFpm
from redis_server import DURABLE, RedisServer
from serving import RELEASE, Serving, parsed

BUILTINS = "HeadersParser|Header|Hasher"


@contextlib.contextmanager
def sqlite(directory):
    yield {"sql_dsn": str(directory / "mail.sqlite")}


def database(make):
    @contextlib.contextmanager
    def sink(directory):
        with make(directory / make.name) as server:
            yield {"sql_driver": server.driver, "sql_dsn": server.dsn(), "sql_password": PASSWORD, "sql_create_table": True}

    return sink


@contextlib.contextmanager
def redis(directory):
    with RedisServer(directory / "redis", *DURABLE) as server:
        yield {"redis_interface": server.interface, "redis_expire_seconds": 600}


@contextlib.contextmanager
def db_redis(directory):
    with redis(directory) as keys, MariaDb(directory / "mariadb") as maria:
        maria.ask(table())
        yield {**keys, "mail_table": "new_mail", "sql_dsn": maria.dsn(), "sql_password": PASSWORD}


@contextlib.contextmanager
def fastcgi(directory):
    with PhpFpm(directory / "php") as php:
        yield {
            "fcgi_connection_type": php.kind, "fcgi_connection_address": php.address, "fcgi_script_filename_save": str(PHP / "php/save.php"),
            "fcgi_params": {"MAIL_DIRECTORY": str(php.mails), "MAIL_USERS": str(php.users)},
        }  # fmt: skip


@contextlib.contextmanager
def maildir(directory):
    yield {"maildir_path": f"{directory}/mail/[user]", "maildir_user_map": "*=-1:-1"}


# Name, processor, its file, what it stores into, and what makes it work one by one.
SQL_ALONE = {"sql_batch": 1, "sql_max_open_conns": 1}
REDIS_ALONE = {"redis_batch": 1, "redis_connections": 1}
SINKS = [
    ("sql, SQLite", "sql", "sql", sqlite, SQL_ALONE),
    ("sql, MariaDB", "sql", "sql", database(MariaDb), SQL_ALONE),
    ("sql, PostgreSQL", "sql", "sql", database(Postgres), SQL_ALONE),
    ("Redis, appendfsync always", "Redis", "redis", redis, REDIS_ALONE),
    ("GuerrillaRedisDB", "GuerrillaRedisDB", "guerrilla-db-redis", db_redis, REDIS_ALONE),
    ("FastCGI, save.php", "FastCGI", "fastcgi", fastcgi, {"fcgi_connections": 1, "fcgi_keep_alive_seconds": 0}),
    ("MailDir", "MailDir", "maildir", maildir, {"save_workers_size": 1}),
]


def measured(arguments, sink, ways):
    """Messages a second by way, one figure for each round."""
    _, processor, plugin, make, _ = sink
    figures = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way, keys in ways.items():
            with tempfile.TemporaryDirectory(prefix="guerrillad-throughput-", dir=arguments.directory) as directory:
                directory = pathlib.Path(directory)
                directory.chmod(0o755)
                with make(directory) as config:
                    config = {"save_process": f"{BUILTINS}|{processor}", **config, **keys}
                    with Serving(arguments, directory / "daemon", config, [plugin], log_level="info") as serving:
                        run(arguments, serving, ["--messages", "400"])
                        figures[way].append(run(arguments, serving, ["--seconds", str(arguments.seconds)]))
    return figures


def run(arguments, serving, limits):
    """Messages a second of one run of the load generator."""
    load = [arguments.loader, f"127.0.0.1:{serving.port}", "--connections", str(arguments.connections), "--size", arguments.size]
    done = subprocess.run([*load, *limits, "--json", "--quiet"], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments.loader} ended with {done.returncode}: {done.stderr.strip()[-500:]} {serving.log()[-800:]}")
    return json.loads(done.stdout)["messages_per_s"]


def told(arguments, sink):
    """One row of the table for each way that is compared."""
    name, alone = sink[0], sink[4]
    if arguments.writers:
        ways = {f"{count} writer(s)": {"sql_max_open_conns": count} for count in arguments.writers}
        figures = measured(arguments, sink, ways)
        for way, of_way in figures.items():
            print(f"| {name}, {way} | {statistics.median(of_way):.0f} |", flush=True)
        return
    figures = measured(arguments, sink, {"together": {}, "alone": alone})
    ratio = statistics.median(a / b for a, b in zip(figures["together"], figures["alone"], strict=True))
    together, one_by_one = (statistics.median(figures[way]) for way in ("together", "alone"))
    print(f"| {name} | {together:.0f} | {one_by_one:.0f} | {ratio:.1f} |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--loader", type=pathlib.Path, default=RELEASE.parent / "bench" / "release" / "guerrilla-bench", help="default: %(default)s")
    options.add_argument("--directory", type=pathlib.Path, default="/var/tmp", help="where servers have their data (default: %(default)s)")
    options.add_argument("--only", default="", help="only sinks whose name contains this")
    options.add_argument("--writers", type=int, nargs="+", help="compare numbers of connections of sql instead")
    options.add_argument("--connections", type=int, default=50, help="SMTP clients (default: %(default)s)")
    options.add_argument("--size", default="10k", help="bytes of a message (default: %(default)s)")
    options.add_argument("--seconds", type=int, default=4, help="of each run (default: %(default)s)")
    options.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    arguments = parsed(options)
    if arguments.writers is None:
        print("| sink | messages/s | one by one | ratio |\n| --- | --- | --- | --- |", flush=True)
    for sink in SINKS:
        if arguments.only.lower() in sink[0].lower():
            told(arguments, sink)
    return 0


if __name__ == "__main__":
    sys.exit(main())
