"""What releases are called, which can do what, and whether the table says what the daemons' own sources say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.versions import (
    DEBIAN,
    SERIES,
    Feature,
    Version,
    features,
    known,
    refusal,
    refusal_sentence,
    supports,
)
from rmqha_model.versions.feature import PRODUCTS, feature

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests/data"
CONF = "rabbitmq.conf:"

HAPROXY_KEYWORDS = {
    "close_spread_time": "close-spread-time",
    "default_server": "default-server",
    "error_log_format": "error-log-format",
    "expose_fd_listeners": "expose-fd",
    "fd_hard_limit": "fd-hard-limit",
    "guid": "guid",
    "hard_stop_after": "hard-stop-after",
    "http_check_connect": "http-check",
    "http_check_expect": "http-check",
    "http_check_send": "http-check",
    "init_addr": "init-addr",
    "init_state": "init-state",
    "keepalive_times": "srvtcpka-idle",
    "log_health_checks": "log-health-checks",
    "no_strict_limits": "strict-limits",
    "observe": "observe",
    "on_marked_down": "on-marked-down",
    "on_marked_up": "on-marked-up",
    "option_redispatch": "redispatch",
    "send_proxy_v2": "send-proxy-v2",
    "shards": "shards",
    "spread_checks": "spread-checks",
    "ssl_min_ver": "ssl-min-ver",
    "tcp_check_connect": "tcp-check",
    "tcp_check_expect": "tcp-check",
    "tcp_check_send_binary": "tcp-check",
    "tcp_smart_accept": "tcp-smart-accept",
    "tcp_smart_connect": "tcp-smart-connect",
    "tcp_user_timeout": "tcp-ut",
}


class Design(NamedTuple):
    """Three releases, as a topology names them."""

    rabbitmq: str = "4.0"
    haproxy: str = "3.0"
    keepalived: str = "2.3"


def rows(prefix: str) -> list[Feature]:
    """Give the rows whose names begin so."""
    return [row for name, row in features().items() if name.startswith(prefix)]


def span(text: str) -> set[str]:
    """Give the releases of ``3.9.4-29 4.0.0-9``."""
    found = set()
    for part in text.split():
        first, _, last = part.partition("-")
        series, _, patch = first.rpartition(".")
        found |= {f"{series}.{n}" for n in range(int(patch), int(last) + 1)}
    return found


def history() -> dict[tuple[str, str], set[str]]:
    """Give the releases that know each key of rabbitmq.conf, by plugin and key."""
    lines = (DATA / "rabbitmq_conf_keys/history.tsv").read_text().splitlines()
    return {(plugin, key): span(spans) for plugin, key, spans in (line.split("\t") for line in lines)}


def table(daemon: str) -> dict[str, set[str]]:
    """Give the releases that know each keyword of *daemon*; those that were looked at under ``#(releases)``."""
    lines = (DATA / f"daemon_keywords/{daemon}.tsv").read_text().splitlines()
    found = dict(line.split("\t") for line in lines)
    everything = found["#(releases)"]
    return {name: set((everything if known == "all" else known).split()) for name, known in found.items()}


class TestVersion:
    """``3.10`` and ``3.10.8``."""

    @pytest.mark.parametrize("text", ["3.8", "3.10.8", "4.0.0", "2.2.9", "10.20.300"])
    def test_it_writes_what_it_read(self, text: str) -> None:
        """Reading and writing are inverse."""
        assert str(Version.parse(text)) == text

    @pytest.mark.parametrize(
        "text",
        ["", "3", "3.", ".3", "3.8.", "3.8.9.1", "v3.8", "3.8-1", " 3.8", "3.8\n", "03.8", "3.08", "٣.٨", "3.9999"],
    )
    def test_what_is_no_release_is_refused(self, text: str) -> None:
        """The error says what is allowed."""
        with pytest.raises(ValueError, match=r"allowed: a release such as 4\.0 or 3\.10\.8"):
            Version.parse(text)

    def test_a_number_is_refused(self) -> None:
        """3.10 without quotes is 3.1: better said than guessed."""
        with pytest.raises(ValueError, match=r"found the number 3\.1; allowed: a release in quotes"):
            Version.parse(3.10)  # type: ignore[arg-type]

    def test_order_is_that_of_releases(self) -> None:
        """Numbers count, not characters, and a series comes after all of its patches."""
        texts = ["3.8.9", "3.8.35", "3.8", "3.9.0", "3.10.8", "3.10", "4.0.0", "4.0"]
        assert [str(v) for v in sorted(map(Version.parse, reversed(texts)))] == texts

    @given(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)))
    def test_a_series_is_its_newest_patch(self, numbers: tuple[int, int, int]) -> None:
        """It is above every patch of its own and below the next series."""
        exact = Version(*numbers)
        series = Version.parse(f"{exact.major}.{exact.minor}")
        assert exact < series < Version(exact.major, exact.minor + 1, 0)
        assert exact.is_exact
        assert not series.is_exact

    def test_first_is_the_first_release(self) -> None:
        """Where a table says 'since 3.9', it means 3.9.0."""
        assert Version.first("3.9") == Version(3, 9, 0)
        assert Version.first("3.9.4") == Version(3, 9, 4)


class TestFeature:
    """The rule of since and until."""

    def test_backports(self) -> None:
        """A series decides for itself; later ones have it; a series left out in between has not."""
        row = feature("rabbitmq.x", "x", "3.8.24 3.10.6 3.12", "here")
        yes = ["3.8.24", "3.8.35", "3.8", "3.10.6", "3.10", "3.12.0", "3.13.0", "4.3"]
        no = ["3.8.23", "3.9.29", "3.9", "3.10.5", "3.11.28", "3.11"]
        assert [v for v in yes if not row.is_in(Version.parse(v))] == []
        assert [v for v in no if row.is_in(Version.parse(v))] == []

    def test_until(self) -> None:
        """A two-part end means the whole series."""
        row = feature("rabbitmq.x", "x", "3.8", "here", until="3.13")
        assert row.is_in(Version.parse("3.13.7"))
        assert row.is_in(Version.parse("3.13"))
        assert not row.is_in(Version.parse("4.0.0"))

    @pytest.mark.parametrize(
        ("since", "until", "words"),
        [
            ("3.8", "3.13", "RabbitMQ 3.8-3.13"),
            ("4.1", "", "RabbitMQ 4.1 and newer"),
            ("4.1.1", "", "RabbitMQ 4.1.1 and newer"),
            ("3.13", "3.13", "RabbitMQ 3.13"),
            ("3.9.27 3.10.13 3.12", "", "RabbitMQ 3.12 and newer, 3.10 from 3.10.13, 3.9 from 3.9.27"),
        ],
    )
    def test_releases_in_words(self, since: str, until: str, words: str) -> None:
        """What is allowed reads as a person would say it."""
        assert words == feature("rabbitmq.x", "x", since, "here", until=until).releases


class TestQuestions:
    """``supports``, ``refusal`` and ``refusal_sentence``."""

    def test_the_sentence(self) -> None:
        """It names the thing, who has it, what the design says, and what to do."""
        expected = "mirrored queues: RabbitMQ 3.8-3.13; the design says 4.0; use quorum queues"
        assert expected == refusal_sentence(Design(), "rabbitmq.mirrored_queues")

    def test_the_parts_of_a_problem(self) -> None:
        """The same, as a Problem takes it."""
        expected = (
            "init-state: the design says HAProxy 3.0",
            "HAProxy 3.1 and newer",
            "leave it out: servers are up until a check fails",
        )
        assert expected == refusal(Design(), "haproxy.init_state")

    def test_what_is_supported_is_not_refused(self) -> None:
        """No refusal where the answer is yes."""
        assert supports(Design(), "rabbitmq.streams")
        assert refusal(Design(), "rabbitmq.streams") is None
        assert not refusal_sentence(Design(), "rabbitmq.streams")

    def test_versions_may_be_parsed_already(self) -> None:
        """A Debian release can be asked as it is."""
        assert not supports(DEBIAN["bullseye"], "rabbitmq.health_checks")
        assert supports(DEBIAN["bookworm"], "rabbitmq.health_checks")

    def test_an_unknown_feature_is_a_mistake_of_ours(self) -> None:
        """The nearest name helps the programmer."""
        with pytest.raises(KeyError, match=r"did you mean 'rabbitmq\.mirrored_queues'"):
            supports(Design(), "rabbitmq.mirorred_queues")

    @pytest.mark.parametrize(
        ("feature_name", "yes", "no"),
        [
            ("rabbitmq.mirrored_queues", "3.13.7", "4.0.0"),
            ("rabbitmq.streams", "3.9.0", "3.8.35"),
            ("rabbitmq.ram_nodes", "4.2", "4.3.0"),
            ("rabbitmq.partition_handling", "4.2", "4.3"),
            ("rabbitmq.join_cluster_alone", "4.1.0", "4.0"),
            ("rabbitmq.ready_to_serve_clients", "4.1.1", "4.1.0"),
            ("rabbitmq.conf:raft.adaptive_failure_detector.poll_interval", "3.10.13", "3.10.8"),
            ("rabbitmq.conf:cluster_formation.randomized_startup_delay_range.min", "3.13.7", "4.0.0"),
        ],
    )
    def test_where_the_line_is(self, feature_name: str, yes: str, no: str) -> None:
        """The last release with it and the first without."""
        assert supports(Design(rabbitmq=yes), feature_name)
        assert not supports(Design(rabbitmq=no), feature_name)


class TestTable:
    """Every row is whole, and true."""

    def test_rows_are_whole(self) -> None:
        """Each has a source, ordered releases of known series, and, if it can be refused, something else to do."""
        for name, row in features().items():
            assert name.partition(".")[0] == row.daemon
            assert row.daemon in PRODUCTS
            assert row.title
            assert row.source
            assert list(row.since) == sorted(set(row.since))
            assert not any(known(row.daemon, version) for version in row.since)
            oldest = Version.first(SERIES[row.daemon][0])
            refusable = row.since[0] > oldest or row.until is not None
            assert bool(row.instead) == refusable, name

    def test_names_are_not_used_twice(self) -> None:
        """No row hides another."""
        from rmqha_model.versions import haproxy, keepalived, rabbitmq, rabbitmq_conf, rabbitmq_tools

        tables = (rabbitmq.RABBITMQ, rabbitmq_tools.RABBITMQ_TOOLS, rabbitmq_conf.RABBITMQ_CONF)
        count = sum(map(len, (*tables, haproxy.HAPROXY, keepalived.KEEPALIVED)))
        assert len(features()) == count

    def test_keys_of_rabbitmq_conf_at_every_tag(self) -> None:
        """The table and the schema agree at each of RabbitMQ's releases from 3.8.0 to 4.3.5."""
        keys = history()
        releases = keys["#", "(releases)"]
        disagreements = []
        for row in rows(CONF):
            plugin, key = row.source.partition(".schema")[0], row.name.removeprefix(CONF)
            # 3.8.10 brought the stream plugin by mistake, 3.8.11 took it out.
            mistaken = {"3.8.10"} if plugin == "rabbitmq_stream" else set()
            said = {release for release in releases if row.is_in(Version.parse(release))}
            disagreements += [(key, release) for release in said ^ (keys.get((plugin, key), set()) - mistaken)]
        assert disagreements == []

    @pytest.mark.parametrize(
        ("release", "patched_in"),
        [
            # Debian brought the limit of CVE-2023-46118 back to its own packages.
            ("3.8.9", {"rabbitmq_management\tmanagement.http.max_body_size"}),
            ("3.10.8", {"rabbitmq_management\tmanagement.http.max_body_size"}),
            ("4.0.5", set()),
            ("4.3.6", set()),
        ],
    )
    def test_keys_of_rabbitmq_conf_in_debians_packages(self, release: str, patched_in: set[str]) -> None:
        """The table and the schema files of the package agree, but for what Debian patched in."""
        listed = set((DATA / f"rabbitmq_conf_keys/{release}.txt").read_text().splitlines())
        keys = {f"{row.source.partition('.schema')[0]}\t{row.name.removeprefix(CONF)}": row for row in rows(CONF)}
        said = {key for key, row in keys.items() if row.is_in(Version.parse(release))}
        assert said ^ (listed & set(keys)) == patched_in

    def test_keywords_of_keepalived_at_every_tag(self) -> None:
        """The table and the keywords that the sources register agree, from 2.1.0 to 2.3.4."""
        keywords = table("keepalived")
        programs = {"keepalived.config_test_status", "keepalived.script_path_through_links"}
        for row in rows("keepalived."):
            if row.name not in programs:
                said = {release for release in keywords["#(releases)"] if row.is_in(Version.parse(release))}
                assert said == keywords[row.title], row.name

    def test_keywords_of_haproxy_in_every_series(self) -> None:
        """The table and the keywords in the sources agree, at the first release of 2.2 to 3.2."""
        keywords = table("haproxy")
        for name, keyword in HAPROXY_KEYWORDS.items():
            row = features()[f"haproxy.{name}"]
            said = {release for release in keywords["#(releases)"] if row.is_in(Version.parse(release))}
            assert said == keywords[keyword], name

    def test_every_feature_that_the_model_asks_for_is_there(self) -> None:
        """A name that is not in the table would only show with the design that needs it."""
        source = (ROOT / "rmqha_model/consistency/features.py").read_text("utf-8")
        asked = set(re.findall(r'"((?:rabbitmq|haproxy|keepalived)\.[a-z_]+)"', source))
        assert asked
        assert asked <= set(features())


class TestReleases:
    """Series and Debian."""

    @pytest.mark.parametrize(
        ("daemon", "version"),
        [
            ("rabbitmq", "3.7.28"),
            ("rabbitmq", "3.14"),
            ("rabbitmq", "4.4"),
            ("haproxy", "2.1"),
            ("keepalived", "2.4.3"),
        ],
    )
    def test_unknown_series(self, daemon: str, version: str) -> None:
        """What is outside, or between, is told with all that is inside."""
        text = known(daemon, Version.parse(version))  # type: ignore[arg-type]
        assert text.startswith(f"found {PRODUCTS[daemon]} {version}; allowed: {SERIES[daemon][0]}, ")  # type: ignore[index]

    def test_debian_is_known(self) -> None:
        """Every package of the table is of a known series, and each release newer than the one before."""
        for release in DEBIAN.values():
            assert not known("rabbitmq", release.rabbitmq)
            assert not known("haproxy", release.haproxy)
            assert not known("keepalived", release.keepalived)
        assert [r[1:] for r in DEBIAN.values()] == sorted(r[1:] for r in DEBIAN.values())

    def test_importing_it_loads_little(self) -> None:
        """Neither pydantic nor the tables come with the import: it costs no more than a few milliseconds."""
        heavy = ("pydantic", "dataclasses", "difflib", "rmqha_model.versions.rabbitmq")
        program = f"import sys, rmqha_model.versions; print([m for m in {heavy} if m in sys.modules])"
        command = [sys.executable, "-S", "-c", program]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        assert done.stdout.strip() == "[]"
