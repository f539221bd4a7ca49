"""Us, with different chains."""

import json
import pathlib
import shutil

from .. import processes, services
from .contender import Contender, Unavailable

BUILTINS = "HeadersParser|Header|Hasher"


class Guerrillad(Contender):
    """Us. `chain` is the save chain, `plugins` the crates' libraries it needs, `settings` more of backend_config; a
    setting may hold {directory}. `service` starts what the processor talks to and gives its settings."""

    def __init__(self, target, name, about, chain, plugins=(), settings=None, service=None, durable=False):
        super().__init__(name, about)
        self.tls, self.durable = not durable, durable
        self.program = target / "release/guerrillad"
        self.chain, self.settings, self.service = chain, settings or {}, service
        self.plugins = [target / "release" / f"lib{plugin}.so" for plugin in plugins]

    def prepare(self):
        for file in (self.program, *self.plugins):
            if not file.exists():
                raise Unavailable(f"{file} is not built: cargo build --release")
        if self.service:
            self.service.prepare()

    def start(self, directory, certificate):
        directory, port = pathlib.Path(directory), processes.free_port()
        plugins = directory / "plugins"
        plugins.mkdir(mode=0o755)
        for file in self.plugins:
            shutil.copy(file, plugins / file.name)
            (plugins / file.name).chmod(0o644)
        helpers, settings = [], {key: filled(value, directory) for key, value in self.settings.items()}
        if self.service:
            helper, more = self.service.start(directory)
            helpers.append(helper)
            settings |= more
        server = {
            "is_enabled": True, "listen_interface": f"127.0.0.1:{port}", "host_name": "mail.example.com",
            "max_clients": 20000, "max_size": 1 << 27, "timeout": 600,
        }  # fmt: skip
        if certificate:
            server["tls"] = {"start_tls_on": True, "public_key_file": certificate[0], "private_key_file": certificate[1]}
        config = {
            "log_file": "stderr", "log_level": "error", "allowed_hosts": ["example.com"], "servers": [server],
            "backend_config": {"save_process": self.chain, "primary_mail_host": "mail.example.com", **settings},
        }  # fmt: skip
        file = directory / "guerrillad.json"
        file.write_text(json.dumps(config))
        return processes.Server([self.program, "serve", "-c", file, "--plugins-dir", plugins], port, directory, helpers=helpers)


def filled(value, directory):
    return value.replace("{directory}", str(directory)) if isinstance(value, str) else value


def entries(target):
    def ours(*arguments, **more):
        return Guerrillad(target, *arguments, **more)

    return (
        ours("ours", f"no store: {BUILTINS}", BUILTINS),
        ours("ours-so", f"an inline .so stage: {BUILTINS}|Hello", f"{BUILTINS}|Hello", ["hello_plugin"]),
        ours("ours-maildir", "durable: file and directory synced", f"{BUILTINS}|MailDir", ["maildir"],
             {"maildir_path": "{directory}/mail/[user]", "maildir_user_map": "*=-1:-1"}, durable=True),
        ours("ours-sqlite", "durable, in batches", f"{BUILTINS}|sql", ["sql"], {"sql_dsn": "{directory}/mail.sqlite"}, durable=True),
        ours("ours-sqlite-single", "durable, one by one", f"{BUILTINS}|sql", ["sql"],
             {"sql_dsn": "{directory}/mail.sqlite", "sql_batch": 1}, durable=True),
        ours("ours-mariadb", "durable, in batches; CPU of the server alone, not of mariadbd", f"{BUILTINS}|sql", ["sql"],
             service=services.MariaDb(), durable=True),
        ours("ours-mariadb-single", "durable, one by one on one connection, as go-guerrilla does", f"{BUILTINS}|sql", ["sql"],
             {"sql_batch": 1, "sql_max_open_conns": 1}, service=services.MariaDb(), durable=True),
        ours("ours-redis", "CPU of the server alone, not of redis-server", f"{BUILTINS}|Redis", ["redis"],
             service=services.RedisServer(), durable=True),
        ours("ours-nats", "a JetStream in a file, which nats-server syncs from 2.10 on; CPU of the server alone, not of nats-server",
             f"{BUILTINS}|NATS", ["nats"], service=services.NatsServer(), durable=True),
    )  # fmt: skip
