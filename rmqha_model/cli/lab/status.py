"""``rmqha lab status``: hosts, daemons, virtual addresses and the cluster of a lab."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.lab.choice import LabName
from rmqha_model.cli.output import print_json

if TYPE_CHECKING:
    from integration.diagnose import Finding
    from integration.lab import Lab

__all__ = ["status"]


@tells_errors
def status(
    lab: LabName = None,
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Compare everything with the design, and say what is wrong and why.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> ExitCode:
    """Show a lab: each host with its daemons, who has the virtual addresses, and what the brokers say.

    Exit status: 0 healthy; 1 not.

    \b
        rmqha lab status
        rmqha lab status --diagnose
        rmqha lab status --lab article-fixed --json
    """
    from integration.faults import sweep
    from integration.lab.health import complaints
    from rmqha_model.cli.lab.choice import chosen

    found = chosen(lab)
    for line in sweep(found):
        typer.secho(line, fg="yellow", err=True)
    rows = _rows(found)
    wrong = complaints(found)
    findings = _findings(found) if diagnose else []
    owners = {
        ip: found.network.owners((host for host in found.topology.vrrp_hosts if found.hosts[host].running), ip)
        for ip in found.topology.virtual_ips
    }
    if json_:
        told = [{"host": host, "what": what} for host, what in wrong]
        report = {"name": found.name, "release": found.release, "hosts": rows, "owners": owners, "wrong": told}
        print_json(report | ({"diagnosis": [asdict(finding) for finding in findings]} if diagnose else {}))
    else:
        _print(found, rows, owners)
        for host, what in wrong:
            typer.secho(f"{host}: {what}" if host else what, fg="red")
        for finding in findings:
            typer.secho(str(finding), fg="red")
        if not wrong and not findings:
            typer.secho("healthy", fg="green")
    return ExitCode.NO if wrong or findings else ExitCode.DONE


def _findings(lab: Lab) -> list[Finding]:
    from integration.diagnose import diagnose

    return diagnose(lab)


def _rows(lab: Lab) -> list[dict[str, Any]]:
    from integration.lab.health import SERVICES, daemons

    rows = []
    for host, machine in lab.hosts.items():
        wanted = daemons(lab, host)
        running = machine.running
        states: list[str] = []
        if running and wanted:
            states = machine.run("systemctl", "is-active", *(SERVICES[daemon] for daemon in wanted)).out.split()
        rows.append(
            {
                "host": host,
                "address": lab.topology.ip(host),
                "running": running,
                "memory_mib": round(machine.memory_kib / 1024),
                "daemons": dict(zip(wanted, states, strict=False)),
            }
        )
    return rows


def _print(lab: Lab, rows: list[dict[str, Any]], owners: dict[str, list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    design = lab.topology.versions
    title = f"lab {lab.name}: {lab.release}, RabbitMQ {design.rabbitmq}, HAProxy {design.haproxy}"
    table = Table(title=f"{title}, keepalived {design.keepalived}", title_justify="left")
    for column in ("host", "address", "rabbitmq", "haproxy", "keepalived", "has", "MiB"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        cells = [row["daemons"].get(daemon, "") for daemon in ("rabbitmq", "haproxy", "keepalived")]
        if not row["running"]:
            cells[0] = "off"
        has = " ".join(ip for ip, hosts in owners.items() if row["host"] in hosts)
        table.add_row(row["host"], row["address"], *cells, has, str(row["memory_mib"]))
    Console().print(table)
