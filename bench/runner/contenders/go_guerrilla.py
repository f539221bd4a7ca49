"""go-guerrilla, whose place we take. GO_GUERRILLA names its program; README.md says how to build one."""

import json
import os
import pathlib
import shutil

from .. import processes, services
from .contender import Contender, Unavailable

BUILTINS = "HeadersParser|Header|Hasher"


class GoGuerrilla(Contender):
    """`service` starts what a storing processor talks to and gives its settings."""

    def __init__(self, name, about, chain=BUILTINS, service=None):
        super().__init__(name, about)
        self.tls, self.durable = service is None, service is not None
        self.chain, self.service = chain, service

    def prepare(self):
        if not shutil.which(program()):
            raise Unavailable("GO_GUERRILLA names no program: see Contenders in bench/README.md")
        if self.service:
            self.service.prepare()

    def start(self, directory, certificate):
        directory, port = pathlib.Path(directory), processes.free_port()
        helpers, settings = [], {}
        if self.service:
            helper, settings = self.service.start(directory)
            helpers.append(helper)
        server = {
            "is_enabled": True, "listen_interface": f"127.0.0.1:{port}", "host_name": "mail.example.com", "log_file": "off",
            "max_clients": 20000, "max_size": 1 << 27, "timeout": 600,
        }  # fmt: skip
        if certificate:
            pair = [str(path) for path in certificate]
            server["tls"] = {"start_tls_on": True, "public_key_file": pair[0], "private_key_file": pair[1]}
        config = {
            "log_file": "off", "log_level": "error", "allowed_hosts": ["example.com"], "servers": [server],
            "pid_file": str(directory / "pid"),
            "backend_config": {
                "save_process": self.chain, "save_workers_size": 3, "primary_mail_host": "mail.example.com",
                "log_received_mails": False, **settings,
            },
        }  # fmt: skip
        file = directory / "go-guerrilla.json"
        file.write_text(json.dumps(config))
        return processes.Server([program(), "serve", "-c", file], port, directory, helpers=helpers)


def program():
    return os.environ.get("GO_GUERRILLA", "")


def entries():
    return (
        GoGuerrilla("go-guerrilla", f"what we succeed: {BUILTINS}, three workers"),
        GoGuerrilla("go-guerrilla-redis", "the same and its Redis processor; CPU of the server alone",
                    f"{BUILTINS}|Redis", services.RedisServer()),
    )  # fmt: skip
