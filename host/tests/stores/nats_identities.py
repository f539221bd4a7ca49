"""Identities of NATS as its own tools make them: nkeys, signed JWTs, credentials files. openssl is the one that signs."""

import base64
import binascii
import json
import pathlib
import subprocess
import time

from private import SECONDS, run

# First octet of an encoded key: its letter, five bits shifted to the left.
SEED, PREFIXES = 18 << 3, {"operator": 14 << 3, "account": 0, "user": 20 << 3}
UNLIMITED = {"account": ("subs", "data", "payload", "imports", "exports", "conn", "leaf"), "user": ("subs", "data", "payload")}
JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)


class Identity:
    """An Ed25519 key of an operator, an account or a user. `public` and `seed` are written as nkeys are."""

    def __init__(self, kind, directory, name):
        self.kind, self.name = kind, name
        self._key = pathlib.Path(directory) / f"{name}.ed25519"
        run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self._key])
        prefix = PREFIXES[kind]
        self.public = encoded(bytes([prefix]) + self._octets("-pubout"))
        self.seed = encoded(bytes([SEED | prefix >> 5, (prefix & 31) << 3]) + self._octets())

    def vouch_for(self, subject, **claims):
        """A JWT (version 2) that says so. More limits of an account, or more of a user, are in `claims`."""
        limits = dict.fromkeys(UNLIMITED.get(subject.kind, ()), -1) | claims
        nats = {"type": subject.kind, "version": 2}
        if subject.kind == "account":
            nats |= {"limits": {"wildcards": True, **limits}, "default_permissions": {"pub": {}, "sub": {}}}
        elif subject.kind == "user":
            nats |= {"pub": {}, "sub": {}, **limits}
        payload = {"iat": int(time.time()), "iss": self.public, "sub": subject.public, "name": subject.name, "jti": subject.name, "nats": nats}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, payload))
        return f"{signed}.{base64url(self._sign(signed.encode()))}"

    def credentials(self, jwt):
        """The content of a credentials file."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.seed}\n------END USER NKEY SEED------\n"
        )

    def _octets(self, *options):
        done = subprocess.run(["openssl", "pkey", "-in", self._key, *options, "-outform", "DER"], capture_output=True, timeout=SECONDS, check=True)
        return done.stdout[-32:]

    def _sign(self, text):
        # openssl signs files only.
        file = self._key.with_suffix(".text")
        file.write_bytes(text)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self._key, "-in", file], capture_output=True, timeout=SECONDS, check=True
        )
        return done.stdout


class Operator:
    """An operator with a system account, and the lines of a nats-server's configuration that trust it."""

    def __init__(self, directory):
        self._directory = directory
        self._own = Identity("operator", directory, "operator")
        self._system = Identity("account", directory, "system")
        self._jwt = self._own.vouch_for(self._own)

    def account(self, name):
        return Identity("account", self._directory, name)

    def user(self, account, name, **claims):
        """Credentials of a user of that account, and its JWT."""
        user = Identity("user", self._directory, name)
        jwt = account.vouch_for(user, **claims)
        return user.credentials(jwt), jwt

    def settings(self, account):
        """For a server that knows this account and no other."""
        # A system account may not use JetStream.
        known = {self._system: self._own.vouch_for(self._system), account: self._own.vouch_for(account, **JETSTREAM)}
        known = "".join(f" {one.public}: {jwt}\n" for one, jwt in known.items())
        return f"operator: {self._jwt}\nsystem_account: {self._system.public}\nresolver: MEMORY\nresolver_preload: {{\n{known}}}"


def encoded(octets):
    """An nkey: base32 with a CRC (XMODEM) behind."""
    checked = octets + binascii.crc_hqx(octets, 0).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")


def base64url(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
