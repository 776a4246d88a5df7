"""Lists the keys of rabbitmq.conf that RabbitMQ knows, from its schema files.

Of one release, from the directory of its installed plugins (this made ``3.8.9.txt`` and the others like it, on Debian
11, 12, 13 and sid)::

    python extract.py /usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/plugins > 3.10.8.txt

Of all releases, from the tags of git clones, the last three of which hold plugins up to 3.8.9 (``history.tsv``)::

    python extract.py --tags rabbitmq-{server,management,management-agent,prometheus} > history.tsv
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PLUGINS = frozenset(
    {"rabbit", "rabbitmq_management", "rabbitmq_management_agent", "rabbitmq_prometheus", "rabbitmq_stream"}
)
TAG = re.compile(r"v(3\.(?:[89]|1[0-3])|4\.[0-3])\.(\d+)")
FILE = re.compile(r"(?:^|/)priv/schema/(\w+)\.(schema|partial)$")

MAPPING = re.compile(r'\{\s*(?:mapping|alias)\s*,\s*"([^"]+)"')
INCLUDE = re.compile(r'\{\s*include_partial\s*,\s*\{\w+\s*,\s*"(\w+)"\}\s*,\s*\[(.*?)\]\s*\}\s*\.', re.DOTALL)
PREFIX = re.compile(r'\{prefix,\s*"([^"]+)"\}')
EXCLUDE = re.compile(r"\{exclude,\s*\[(.*?)\]")


def keys_of(files: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Give plugin and key of each mapping in *files*, by ``NAME.schema`` and ``NAME.partial``."""
    texts = {name: _without_comments(text) for name, text in files.items()}
    for name, text in texts.items():
        plugin, _, kind = name.partition(".")
        if kind != "schema" or plugin not in PLUGINS:
            continue
        keys = set(MAPPING.findall(text))
        for partial, options in INCLUDE.findall(text):
            prefix = PREFIX.findall(options)[0]
            excluded = EXCLUDE.findall(options)
            left_out = set(re.findall(r'"([^"]+)"', excluded[0])) if excluded else set()
            keys |= {f"{prefix}.{key}" for key in set(MAPPING.findall(texts[f"{partial}.partial"])) - left_out}
            if "disable_with" in options:
                keys.add(prefix)
        yield from ((plugin, key) for key in keys)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("%"))


def installed(plugins: Path) -> dict[str, str]:
    """Give the schema files under *plugins*, unpacked or in .ez archives."""
    found = {}
    for path in plugins.glob("*/priv/schema/*"):
        if FILE.search(path.as_posix()):
            found[path.name] = path.read_text("utf-8")
    for archive in plugins.glob("*.ez"):
        with zipfile.ZipFile(archive) as contents:
            for name in contents.namelist():
                if FILE.search(name):
                    found[Path(name).name] = contents.read(name).decode("utf-8")
    return found


def tagged(repositories: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Give each release and its schema files; of a file in several repositories, the first one's."""
    releases: dict[str, dict[str, str]] = {}
    for repository in repositories:
        for tag in _git(repository, "tag").split():
            if not TAG.fullmatch(tag):
                continue
            files = releases.setdefault(tag[1:], {})
            for line in _git(repository, "ls-tree", "-r", tag).splitlines():
                meta, path = line.split("\t")
                match = FILE.search(path)
                if match and "/test/" not in path:
                    name = f"{match[1]}.{match[2]}"
                    files[name] = files.get(name) or _git(repository, "cat-file", "blob", meta.split()[2])
    yield from sorted(releases.items(), key=lambda item: _numbers(item[0]))


def _git(repository: str, *arguments: str) -> str:
    command = ["git", "-C", repository, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def spans(known: set[str], releases: list[str]) -> str:
    """Write the releases in *known* as spans of neighbours in *releases*, within each series."""
    found = []
    for _, series in itertools.groupby(releases, key=lambda r: _numbers(r)[:2]):
        for inside, run in itertools.groupby(series, key=known.__contains__):
            span = list(run)
            if inside:
                found.append(f"{span[0]}-{span[-1].rpartition('.')[2]}")
    return " ".join(found)


def main() -> None:
    """Write the list to standard output."""
    if sys.argv[1] != "--tags":
        rows = sorted(f"{plugin}\t{key}" for plugin, key in keys_of(installed(Path(sys.argv[1]))))
        sys.stdout.write("\n".join(rows) + "\n")
        return
    table: dict[tuple[str, str], set[str]] = {}
    releases = []
    for release, files in tagged(sys.argv[2:]):
        releases.append(release)
        for row in keys_of(files):
            table.setdefault(row, set()).add(release)
    sys.stdout.write(f"#\t(releases)\t{spans(set(releases), releases)}\n")
    for (plugin, key), known in sorted(table.items()):
        sys.stdout.write(f"{plugin}\t{key}\t{spans(known, releases)}\n")


if __name__ == "__main__":
    main()
