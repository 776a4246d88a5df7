"""How content is known again without keeping it.

The digest of a secret file is keyed (HMAC): the plain digest of a text that is known but for a weak password would
give the password away to whoever reads the manifest.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from generators.manifest import Record

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["Digests"]


class Digests:
    """Digests of contents under the keys of this run and earlier ones, each distinct content read once.

    The first key makes digests; all of them recognise one. Earlier keys matter when a secret was changed:
    the key comes from the design's secrets, so records made before have another.
    """

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self.keys = keys
        self._plain: dict[str, str] = {}
        self._keyed: dict[str, str] = {}

    def of(self, artefact: Artefact) -> str:
        """Give the digest that the record of *artefact* holds."""
        known = self._keyed if artefact.secret else self._plain
        digest = known.get(artefact.content)
        if digest is None:
            content = artefact.content.encode()
            digest = self._hmac(self.keys[0], content) if artefact.secret else hashlib.sha256(content).hexdigest()
            known[artefact.content] = digest
        return digest

    def record(self, artefact: Artefact, path: str) -> Record:
        """Make the record of *artefact*, which lies at *path* in the output tree."""
        return Record(
            path=path,
            host=artefact.host,
            target=artefact.path if artefact.path.startswith("/") else None,
            owner=artefact.owner,
            group=artefact.group,
            mode=f"{artefact.mode:04o}",
            secret=artefact.secret,
            digest=self.of(artefact),
        )

    def match(self, record: Record, content: bytes) -> bool:
        """Tell whether *content* is what *record* was made from."""
        if record.secret:
            return any(hmac.compare_digest(self._hmac(key, content), record.digest) for key in self.keys)
        return hashlib.sha256(content).hexdigest() == record.digest

    @staticmethod
    def _hmac(key: bytes, content: bytes) -> str:
        return hmac.digest(key, content, "sha256").hex()
