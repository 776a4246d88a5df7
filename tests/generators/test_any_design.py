"""Every valid design gives files that the real HAProxy and keepalived accept."""

from __future__ import annotations

import pytest
from designs import secrets_of
from hypothesis import HealthCheck, given, settings
from strategies import hostile, topologies

from generators import generate, haproxy, identity, keepalived
from generators.bundle import Bundle
from generators.validate import Status, validate
from rmqha_model.graph import minimal_cut_sets, narrowest
from rmqha_model.topology import Topology  # noqa: TC001 -- hypothesis reads it


@pytest.mark.slow
@pytest.mark.needs("haproxy", "keepalived", "shellcheck", "unshare", "ip")
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(topology=topologies())
def test_haproxy_and_keepalived_accept_any_design(topology: Topology) -> None:
    """What the model lets through, the daemons take; a word only another release knows is told as that."""
    secrets = secrets_of(topology)
    parts = (identity.artefacts, haproxy.artefacts, keepalived.artefacts)
    artefacts = tuple(artefact for part in parts for artefact in part(topology, secrets))
    bundle = Bundle(topology.name, topology.digest, artefacts)
    verdicts = validate(bundle, versions=topology.versions.model_dump(), boot=False)
    failed = [verdict for verdict in verdicts if verdict.status is Status.FAILED]
    assert not failed, "\n".join(map(str, failed)) + topology.model_dump_json(exclude_defaults=True)
    programs = {verdict.program for verdict in verdicts if verdict.status is Status.OK}
    assert ("haproxy" in programs) is (topology.haproxy is not None)
    assert ("keepalived" in programs) is (topology.keepalived is not None)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(topology=topologies(text=hostile()))
def test_any_design_is_generated_and_judged(topology: Topology) -> None:
    """Whatever its names are, a design gives files, each at its own place, and can be asked what it cannot lose."""
    bundle = generate(topology, secrets_of(topology))
    paths = [artefact.tree_path for artefact in bundle.artefacts]
    assert len(set(paths)) == len(paths)
    cuts = minimal_cut_sets(topology)
    assert all(stopped for cut, stopped in cuts.items())
    assert set(narrowest(topology, cuts)) <= set(cuts)
