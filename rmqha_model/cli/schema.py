"""``rmqha schema``: the JSON Schema of topologies, for editors."""

from __future__ import annotations

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors

__all__ = ["schema"]


@tells_errors
def schema() -> ExitCode:
    """Print the JSON Schema of topologies.

    Editors complete and check with it. Save it beside your topology and put this at the topology's top:

    \b
        # yaml-language-server: $schema=topology.schema.json
    """
    import json

    from rmqha_model.topology import Topology

    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Topology.model_json_schema()}
    typer.echo(json.dumps(document, indent=2))
    return ExitCode.DONE
