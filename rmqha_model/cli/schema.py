"""``rmqha schema``: the JSON Schemas of topologies and scenarios, for editors."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors

__all__ = ["schema"]


@tells_errors
def schema(
    document: Annotated[Literal["topology", "scenario"], typer.Argument(help="Of which document.")] = "topology",
) -> ExitCode:
    """Print the JSON Schema of topologies, or of scenarios.

    Editors complete and check with it. Save it beside your topology and put this at the topology's top:

    \b
        # yaml-language-server: $schema=topology.schema.json
    """
    import json

    from rmqha_model.scenario import Scenario
    from rmqha_model.topology import Topology

    model = Topology if document == "topology" else Scenario
    text = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    typer.echo(json.dumps(text, indent=2))
    return ExitCode.DONE
