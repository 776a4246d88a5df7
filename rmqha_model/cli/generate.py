"""``rmqha generate``: every file of a design."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.output import print_diff, print_json, spinner, tell

if TYPE_CHECKING:
    from generators.bundle import Bundle
    from generators.write import Plan
    from rmqha_model.secrets import Secrets, SecretStore
    from rmqha_model.topology import Topology

__all__ = ["generate"]


@tells_errors
def generate(
    topology: Annotated[Path, typer.Argument(help="The design: YAML, JSON or TOML.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the files go.", show_default="build/NAME"),
    ] = None,
    secrets: Annotated[
        Path | None,
        typer.Option("--secrets", help="Where secrets are kept.", show_default="secrets.yaml beside the design"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when the files on disk differ.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what would change; exit 1 if anything.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; list what would be done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that were changed by hand.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove files that are no longer generated.")] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Let the real daemons check the files, where they are installed.")
    ] = False,
    boot: Annotated[
        bool, typer.Option("--boot/--no-boot", help="With --validate: boot a RabbitMQ on its files (10 to 20 s).")
    ] = True,
    json_: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> ExitCode:
    """Generate every file of every host.

    Files lie in OUT/HOST/PATH-ON-HOST, those of the design as a whole in OUT/_design, and OUT/manifest.json lists
    them. A second run changes nothing. A file that was changed by hand is kept, and named, unless --force is given.

    \b
        rmqha generate examples/article.yaml --out build/article
        rmqha generate topology.yaml --diff
        rmqha generate topology.yaml --check && echo up to date
    """
    import os

    from generators import generate as make
    from generators import write
    from rmqha_model.cli.version import version
    from rmqha_model.document import load, placed
    from rmqha_model.errors import DocumentError, GenerationError, SecretError
    from rmqha_model.secrets import SecretStore, resolve
    from rmqha_model.topology import Topology

    design = load(topology, Topology)
    store = SecretStore(secrets or topology.parent / "secrets.yaml")
    try:
        values = resolve(design.secret_needs(), store, os.environ)
        bundle = make(design, values, templates=topology.parent)
    except (SecretError, GenerationError) as error:
        if not error.problems:
            raise
        raise DocumentError(placed(topology, error.problems)) from error
    plan = write.plan(bundle, out or Path("build") / design.name, values.digest_key, version=version())
    if check or diff or dry_run:
        shown = "diff" if diff else "list" if dry_run else "talk"
        code, report = _compare(plan, store, shown="none" if json_ else shown, with_diff=diff)
        code = ExitCode.DONE if dry_run and not (check or diff) else code
    else:
        code, report = _write(plan, store, force=force, prune=prune)
    if validate:
        verdict, report["verdicts"] = _validate(design, bundle, values, boot=boot, shown=not json_)
        code = max(code, verdict)
    if json_:
        print_json(report)
    return code


def _write(plan: Plan, store: SecretStore, *, force: bool, prune: bool) -> tuple[ExitCode, dict[str, Any]]:
    from generators import write

    # Secrets first: no file may hold one that is kept nowhere.
    added = store.added
    store.save()
    if added:
        tell(f"{store.path}: made {', '.join(added)}; keep this file, and keep it private")
    done = write.apply(plan, force=force, prune=prune)
    count = len(plan.bundle.artefacts)
    hosts = len({artefact.host for artefact in plan.bundle.artefacts} - {None})
    unchanged = count - len(done.written) - sum(entry.artefact is not None for entry in done.kept)
    parts = [f"{len(done.written)} written", f"{unchanged} unchanged"]
    parts += [f"{len(done.removed)} removed"] if done.removed else []
    tell(f"{plan.out}: {count} files for {hosts} hosts: {', '.join(parts)}")
    for entry in done.kept:
        mend = "make way for it" if entry.state is write.State.BLOCKED else "--diff shows it, --force overwrites it"
        tell(f"kept: {plan.out}/{entry}; {mend}", fg="yellow")
    for entry in done.stale:
        tell(f"left: {plan.out}/{entry}; --prune removes it", fg="yellow")
    if done.written and done.complete:
        tell(f"next: {plan.out}/_design/runbook.md says how to install and check it")
    kinds = ("written", "removed", "kept", "stale")
    report: dict[str, Any] = {kind: [entry.path for entry in getattr(done, kind)] for kind in kinds}
    code = ExitCode.DONE if done.complete else ExitCode.NO
    return code, {"out": str(plan.out), "files": count, "hosts": hosts, **report}


def _compare(plan: Plan, store: SecretStore, *, shown: str, with_diff: bool) -> tuple[ExitCode, dict[str, Any]]:
    from generators.diff import diff
    from generators.write import State

    if store.added:
        names = ", ".join(store.added)
        tell(f"{store.path}: lacks {names}; generating makes them, so files that hold them differ", fg="yellow")
    changes = [entry for entry in plan.entries if entry.state is not State.UNCHANGED]
    if shown == "diff":
        print_diff(diff(plan))
    elif shown == "list":
        for entry in changes:
            typer.echo(str(entry))
    elif shown == "talk":
        for entry in changes:
            tell(str(entry))
    tell(f"{plan.out}: {f'{len(changes)} of {len(plan.entries)} files differ' if plan.differs else 'up to date'}")
    rows = [{"path": entry.path, "state": entry.state.value} for entry in changes]
    report = {"out": str(plan.out), "differs": plan.differs, "changes": rows}
    if with_diff:
        report["diff"] = "\n".join(diff(plan))
    return (ExitCode.NO if plan.differs else ExitCode.DONE), report


def _validate(
    design: Topology, bundle: Bundle, secrets: Secrets, *, boot: bool, shown: bool
) -> tuple[ExitCode, list[dict[str, Any]]]:
    import dataclasses

    from generators.validate import validate

    with spinner("validating") as on_step:
        versions = design.versions.model_dump()
        verdicts = validate(bundle, versions=versions, boot=boot, secrets=tuple(secrets.values()), on_step=on_step)
    colours = {"ok": "green", "failed": "red", "skipped": "yellow"}
    if shown:
        for verdict in verdicts:
            typer.secho(str(verdict), fg=colours[verdict.status])
    counts = {status: sum(verdict.status == status for verdict in verdicts) for status in colours}
    tell(f"validated: {', '.join(f'{count} {status}' for status, count in counts.items())}")
    rows = [dataclasses.asdict(verdict) for verdict in verdicts]
    return (ExitCode.NO if counts["failed"] else ExitCode.DONE), rows
