"""What surrounds the stack: who may reach it, what watches it, and what the user changes in the files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rmqha_model.names import AbsolutePath, HostName, Line, Named, Network, Port
from rmqha_model.part import Part, refuse
from rmqha_model.units import Duration

__all__ = ["Firewall", "Monitoring", "Override"]


class Firewall(Part):
    """Packet filters that guard the stack's own ports and leave everything else on the host as it is."""

    kinds: tuple[Literal["nftables", "firewalld"], ...] = Field(
        ("nftables", "firewalld"), description="Which rule files are made; install one of them."
    )
    clients: tuple[Network, ...] | None = Field(
        None, description="Where clients connect from; left out, the networks the hosts stand in."
    )
    operators: tuple[Network, ...] | None = Field(
        None, description="Where people reach the management UI and stats from; left out, as clients."
    )
    monitoring: tuple[Network, ...] | None = Field(
        None, description="Where metrics are read from; left out, as operators."
    )


class Monitoring(Part):
    """Prometheus."""

    scrape_interval: Duration = Field(Duration(15_000), description="How often it reads the metrics.")
    node_exporter: Port | None = Field(None, description="Port of node_exporter on the hosts, where it runs.")

    @model_validator(mode="after")
    def _reads_at_times(self) -> Monitoring:
        if self.scrape_interval.ms < 1_000:
            raise refuse(f"found {self.scrape_interval}", "1s and more", at="scrape_interval")
        return self


_RelativePath = Named(r"(?!/)(?!.*\.\.)[A-Za-z0-9._/-]+", "a path relative to the topology's folder, without ..", 250)


class Override(Part):
    """A change to an artefact that the model does not know: lines added at its end, or another template."""

    path: AbsolutePath = Field(description="Path of the artefact on its host.")
    hosts: tuple[HostName, ...] | None = Field(None, description="On which hosts; left out, wherever it is made.")
    append: tuple[Line, ...] = Field((), description="Lines that are added at the end, as they are.")
    template: Annotated[str, _RelativePath] | None = Field(
        None, description="Jinja2 template beside the topology that replaces the project's own."
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Override:
        if not self.append and self.template is None:
            raise refuse("found an override that changes nothing", "`append` lines or a `template`")
        return self
