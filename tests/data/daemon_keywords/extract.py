"""Lists which releases of keepalived and HAProxy know a keyword, from the tags of git clones of their sources.

``keepalived.tsv``: every keyword that an ``install_keyword`` call registers, at each tag of 2.1 to 2.3.
``haproxy.tsv``: whether a keyword of the list stands in quotes in the C sources, at the first tag of each series of 2.2
to 3.2 (patches are tagged elsewhere)::

    python extract.py keepalived path/to/keepalived > keepalived.tsv
    python extract.py haproxy path/to/haproxy > haproxy.tsv
"""

from __future__ import annotations

import re
import subprocess
import sys

HAPROXY = """
    agent-check clitcpka clitcpka-cnt clitcpka-idle clitcpka-intvl close-spread-time default-server error-log-format
    expose-fd fd-hard-limit guid hard-stop-after http-check init-addr init-state log-health-checks observe
    on-marked-down on-marked-up redispatch send-proxy-v2 shards spread-checks srvtcpka srvtcpka-cnt srvtcpka-idle
    srvtcpka-intvl ssl-min-ver strict-limits tcp-check tcp-smart-accept tcp-smart-connect tcp-ut
"""

TAGS = {
    "keepalived": re.compile(r"v2\.[123]\.\d+"),
    "haproxy": re.compile(r"v(?:2\.[2-9]|3\.[0-2])\.0"),
}
REGISTERED = re.compile(r'install_\w*(?:keyword|level)\w*\("([^"]+)"')


def keywords(daemon: str, repository: str, tag: str) -> set[str]:
    """Give the keywords the sources of *tag* know."""
    if daemon == "keepalived":
        lines = _git(repository, "grep", "-hE", r"install_\w+\(", tag, "--", "keepalived", "lib")
        return set(REGISTERED.findall(lines))
    quoted = _git(repository, "grep", "-ohE", '"[a-z0-9-]+"', tag, "--", "src", "include")
    return set(HAPROXY.split()) & set(quoted.replace('"', "").split())


def _git(repository: str, *arguments: str) -> str:
    command = ["git", "-C", repository, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Write the list to standard output."""
    daemon, repository = sys.argv[1:]
    tags = [tag for tag in _git(repository, "tag").split() if TAGS[daemon].fullmatch(tag)]
    tags.sort(key=lambda tag: tuple(map(int, tag[1:].split("."))))
    table: dict[str, list[str]] = {}
    for tag in tags:
        for keyword in keywords(daemon, repository, tag):
            table.setdefault(keyword, []).append(tag[1:])
    releases = [tag[1:] for tag in tags]
    sys.stdout.write(f"#(releases)\t{' '.join(releases)}\n")
    for keyword, known in sorted(table.items()):
        sys.stdout.write(f"{keyword}\t{'all' if known == releases else ' '.join(known)}\n")


if __name__ == "__main__":
    main()
