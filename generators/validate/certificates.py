"""Throw-away certificates, in the place of those a design refers to and that only its user has."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable

from generators.validate.run import File, NoRoom, Room, find_program, run

__all__ = ["missing", "stand_ins"]

FILE = re.compile(r"(?<![\w./-])(/(?!/)[\w.@+/-]+\.(?:pem|crt|cer|cert|key))(?![\w./-])")
FOLDER = re.compile(r"(?<![\w-])crt +(/[\w.@+/-]*?/?)(?= |$)", re.MULTILINE)
"""HAProxy's ``crt`` takes a folder as well: a path whose last part has no suffix."""

SETTINGS = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = stand-in
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:false
keyUsage = critical, digitalSignature, keyAgreement
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = {names}
"""

KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/stdout -out /dev/stdout"
AUTHORITY = f"req -x509 -config /settings -extensions authority -subj /CN=authority -days 2 {KEY}"
REQUEST = f"req -config /settings {KEY}"
LEAF = "x509 -req -in /request -CA /ca.pem -CAkey /ca.key -set_serial 1 -days 2 -extfile /settings -extensions leaf"
"""Arguments of openssl. Not one self-signed certificate: Erlang refuses that between nodes, even when it is trusted."""

BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n.*?-----END \1-----\n", re.DOTALL)


def missing(texts: Iterable[str], have: Collection[str]) -> tuple[str, ...]:
    """Give the paths of certificates and keys that some texts name and the bundle does not hold."""
    paths: dict[str, None] = {}
    for text in texts:
        paths |= dict.fromkeys(FILE.findall(text))
        for folder in FOLDER.findall(text):
            if "." not in folder.rpartition("/")[2]:
                paths[folder.rstrip("/") + "/stand-in.pem"] = None
    return tuple(path for path in paths if path not in have)


def stand_ins(paths: Iterable[str], names: Iterable[str]) -> tuple[File, ...]:
    """Make a certificate valid for some host names and lay it at every one of the paths.

    The one file has key, certificate and authority, in this order, so that it serves as any of them.
    """
    paths = tuple(paths)
    if not paths:
        return ()
    pem = _made(tuple(sorted(set(names))) or ("localhost",))
    return tuple(File(path, pem) for path in paths)


@functools.cache
def _made(names: tuple[str, ...]) -> str:
    settings = File("/settings", SETTINGS.format(names=", ".join(f"DNS:{name}" for name in names)))
    ca_key, ca = _openssl(AUTHORITY, settings)
    key, request = _openssl(REQUEST, settings)
    ca_files = (File("/ca.pem", ca), File("/ca.key", ca_key, 0o600))
    (leaf,) = _openssl(LEAF, settings, File("/request", request), *ca_files)
    return key + leaf + ca


def _openssl(arguments: str, *files: File) -> list[str]:
    openssl = find_program("openssl")
    if openssl is None:
        raise NoRoom("openssl, which makes stand-ins for the design's certificates, is not installed")
    done = run([openssl, *arguments.split()], Room(files), private=False, timeout_s=20)
    if done.exit_status != 0:
        raise NoRoom(f"openssl made no certificate: {done.output.strip() or done.ended}")
    return [found[0] for found in BLOCK.finditer(done.output)]
