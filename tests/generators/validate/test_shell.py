"""shellcheck and the shells judge scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from generators.bundle import Artefact
from generators.validate import Status, Verdict

Check = Callable[..., tuple[Verdict, ...]]

GOOD = '#!/usr/bin/env bash\nset -euo pipefail\nwords=("$@")\nprintf "%s\\n" "${words[@]}"\n'
CARELESS = "#!/bin/bash\nset -euo pipefail\nrm -rf $1\n"
BROKEN = "#!/bin/sh\nif true; then\n    echo yes\n"


@pytest.mark.needs("shellcheck")
def test_shellcheck(check: Check) -> None:
    """All scripts are judged in one run, the same script of two hosts once, each line at its own file."""
    good = [Artefact(host, "/usr/local/sbin/join", GOOD, 0o755) for host in ("rabbit1", "rabbit2")]
    careless = Artefact(None, "install.sh", CARELESS, 0o755)
    other = Artefact("rabbit1", "/etc/motd", "rm -rf $1\n")
    found = {verdict.paths[0]: verdict for verdict in check("shellcheck", *good, careless, other)}
    assert found.keys() == {"rabbit1/usr/local/sbin/join", "_design/install.sh"}
    assert found["rabbit1/usr/local/sbin/join"].status is Status.OK
    assert len(found["rabbit1/usr/local/sbin/join"].paths) == 2
    assert found["_design/install.sh"].status is Status.FAILED
    assert found["_design/install.sh"].detail[0].startswith("_design/install.sh:3: note: Double quote")


@pytest.mark.needs("bash")
@pytest.mark.needs("sh")
def test_shells(check: Check) -> None:
    """Each shell reads its own scripts: what bash takes, sh need not."""
    arrays = GOOD.replace("#!/usr/bin/env bash", "#!/bin/sh")
    artefacts = (
        Artefact("a", "/usr/local/bin/good", GOOD),
        Artefact("a", "/usr/local/bin/broken", BROKEN),
        Artefact("a", "/usr/local/bin/arrays", arrays),
        Artefact("a", "/usr/local/bin/never", "#!/bin/bash\ntouch /never; exit 1\n"),
    )
    (never, good) = sorted(check("bash", *artefacts), key=lambda one: one.paths, reverse=True)
    assert (good.status, never.status) == (Status.OK, Status.OK)
    (arrays_verdict, broken) = sorted(check("sh", *artefacts), key=lambda one: one.paths)
    assert broken.status is Status.FAILED
    assert broken.detail[0].startswith("a/usr/local/bin/broken:4: ")
    assert arrays_verdict.paths == ("a/usr/local/bin/arrays",)


@pytest.mark.needs("bash")
def test_bash_says_where(check: Check) -> None:
    """Bash says ``line 3``, which becomes a place as well."""
    (verdict,) = check("bash", Artefact("a", "/x", "#!/bin/bash\ntrue\nfi\n"))
    assert verdict.status is Status.FAILED
    assert verdict.detail[0].startswith("a/x:3: ")
