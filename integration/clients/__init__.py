"""Client programs of a workload: they probe, publish and consume as the design's clients do, and tell what they see.

A program, ``python -m integration.clients probe|publish|consume|declare``, serves one label of the workload, with as
many connections as that asks for. Its first line of standard input is a specification in JSON
(:mod:`integration.clients.spec`), which holds the password, so that no command line, environment or log does. A line
``end``, or SIGTERM, asks it to come to an orderly end; when standard input closes, whoever wanted to know is gone, and
it ends at once. Standard output has events as JSON lines, their ``t`` by the machine's monotonic clock; standard error
has, for people, what became of each connection.
"""

from __future__ import annotations

from integration.clients.spec import (
    ConsumeSpec,
    DeclareSpec,
    Login,
    ProbeSpec,
    PublishSpec,
    QueueSpec,
    Spec,
    Target,
)

__all__ = ["ConsumeSpec", "DeclareSpec", "Login", "ProbeSpec", "PublishSpec", "QueueSpec", "Spec", "Target"]
