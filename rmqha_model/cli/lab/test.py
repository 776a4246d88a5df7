"""``rmqha lab test``: a design validated on real hosts, with every fault that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.output import steps, tell

if TYPE_CHECKING:
    from integration.lab import Lab
    from integration.suite.options import Options
    from rmqha_model.topology import Topology

__all__ = ["validate"]


@tells_errors
def validate(
    topology: Annotated[Path, typer.Argument(help="The design: YAML, JSON or TOML.", show_default=False)],
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            "-r",
            help="Debian release of the hosts: bullseye, bookworm, trixie or sid.",
            show_default="that of the lab that is up, else bookworm",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", "-n", help="Name of the lab; one that is up is used.", show_default="the design's")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up.")] = False,
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults",
            help="none, representative, all, or names of the catalogue with commas between.",
            show_default="representative; by --ssh without --allow-faults none",
        ),
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="Folder for timelines, logs, versions and the summary.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="File for the results as JUnit XML.")] = None,
    keyword: Annotated[str, typer.Option("-k", help="Run only tests whose names match, as pytest's -k.")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the clients' random waits.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out the faults that the evidence folder already has.")
    ] = False,
    budget_min: Annotated[
        float | None, typer.Option("--budget", help="Begin no further fault after so many minutes.", min=0)
    ] = None,
    ssh: Annotated[
        Path | None,
        typer.Option("--ssh", help="No lab: the hosts that this inventory says how to log in to.", metavar="INVENTORY"),
    ] = None,
    allow_faults: Annotated[
        bool, typer.Option("--allow-faults", help="With --ssh: change and break things on these hosts.")
    ] = False,
    secrets: Annotated[
        Path | None,
        typer.Option("--secrets", help="With --ssh: where secrets are.", show_default="secrets.yaml beside the design"),
    ] = None,
) -> ExitCode:
    """Validate a design on real hosts: files, services, cluster, balancing, addresses, clients, then faults.

    The lab is brought up if there is none of that name, and taken down again unless --keep is given or it was there
    before. What a fault did to clients is shown in a table at the end.

    With --ssh it is the hosts you have, and nothing is changed on them: a client makes a queue of its own and deletes
    it again. --allow-faults adds what changes and breaks things, which is undone.

    Exit status: 0 all is as designed; 1 something is not; 2 it could not be tested.

    \b
        rmqha lab test topology.yaml
        rmqha lab test topology.yaml --faults none
        rmqha lab test topology.yaml --faults broker_kill,host_power_loss --evidence build/evidence
        rmqha lab test topology.yaml --ssh hosts.yaml
    """
    import contextlib
    import signal
    import sys

    from integration.evidence import concluded
    from integration.lab import find, names
    from integration.suite.options import Options
    from rmqha_model.cases import chosen
    from rmqha_model.cli.lab.left import tells_what_is_left
    from rmqha_model.document import load
    from rmqha_model.topology import Topology

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    design = load(topology, Topology)
    if faults is None:
        faults = "none" if ssh and not allow_faults else "representative"
    words = tuple(word.strip() for word in faults.split(","))
    called = name or design.name
    cases = chosen(design, words)  # A word that means nothing is told before anything is made.
    was_there = ssh is None and called in names()
    release = _release(release, find(called) if was_there else None)
    options = Options(
        faults=words,
        evidence=evidence,
        junit=junit,
        keyword=keyword,
        seed=seed,
        resume=resume,
        budget_s=None if budget_min is None else budget_min * 60,
        changes=allow_faults or ssh is None,
        source=f"{design.digest} on {ssh or release}",
    )
    if resume and evidence and (was := concluded(evidence, options)) is not None:
        tell(f"{evidence}: has all of it already; {'all is' if was else 'not all is'} as designed")
        return ExitCode.DONE if was else ExitCode.NO
    _fits(ssh, allow_faults=allow_faults, secrets=secrets, of_lab=bool(name or keep), faults=bool(cases))
    _can_work(evidence, junit, keyword)
    if ssh is not None:
        from integration.ssh import opened
        from integration.suite import run

        with opened(topology, ssh, secrets=secrets, allow_faults=allow_faults, on_note=_note) as stack:
            return ExitCode.DONE if run(stack, options) else ExitCode.NO
    left = contextlib.nullcontext() if was_there else tells_what_is_left(called, stays=keep)
    with left:
        lab = _found(called, design) if was_there else _made(called, design, release, topology.parent)
        good = _tested(lab, options, stays=keep or was_there)
    return ExitCode.DONE if good else ExitCode.NO


def _found(name: str, design: Topology) -> Lab:
    from integration.lab import find

    lab = find(name)
    _is_of(lab, design)
    return lab


def _made(name: str, design: Topology, release: str, templates: Path) -> Lab:
    from integration.lab import up

    with steps("lab test") as on_step:
        return up(design, name=name, release=release, on_step=on_step, on_note=_note, templates=templates)


def _tested(lab: Lab, options: Options, *, stays: bool) -> bool:
    """Run the suite on *lab*, and take it down unless it *stays*; a second Ctrl-C does not cut that short."""
    from integration.faults import sweep
    from integration.lab import down
    from integration.lab.sweep import whole
    from integration.suite import run

    came: list[int] = []
    try:
        # Nobody takes the lab down, or measures on it, meanwhile.
        with lab.record.held():
            for told in sweep(lab):
                tell(told)
            good = run(lab, options)
    finally:
        if stays:
            tell(f"lab {lab.name} is up; rmqha lab down {lab.name} takes it down")
        else:
            with whole(lab.name) as came:
                down(lab.name)
    if came:
        raise KeyboardInterrupt
    return good


def _can_work(evidence: Path | None, junit: Path | None, keyword: str) -> None:
    """Refuse what would be found out only when the suite begins, minutes later."""
    from integration.errors import LabError
    from integration.lab.doctor import require_packages
    from rmqha_model.cli.lab.writable import writable_file, writable_folder

    require_packages()
    from _pytest.mark.expression import Expression  # what pytest itself reads -k with

    if keyword.strip():
        try:
            Expression.compile(keyword.lstrip())
        except SyntaxError as error:
            raise LabError(
                f"-k {keyword!r}: at column {error.offset}: {error.msg}; "
                "allowed: parts of names, with and, or, not and parentheses"
            ) from None
    if evidence is not None:
        writable_folder("--evidence", evidence)
    if junit is not None:
        writable_file("--junit", junit)


def _release(asked: str | None, lab: Lab | None) -> str:
    """Give the release that is meant: the one asked for, if there is such a one and a lab that is up has it."""
    from integration.errors import LabError
    from rmqha_model.errors import did_you_mean
    from rmqha_model.versions import DEBIAN

    if asked is not None and asked not in DEBIAN:
        hint = did_you_mean(asked, list(DEBIAN))
        raise LabError(f"--release: found {asked!r}; allowed: {', '.join(DEBIAN)}{f'; {hint}' if hint else ''}")
    if lab is None:
        return asked or "bookworm"
    if asked not in {None, lab.release}:
        raise LabError(
            f"--release: found {asked}, and lab {lab.name} is up with {lab.release}; "
            f"`rmqha lab down {lab.name}` removes it, --name chooses another name"
        )
    return lab.release


def _note(text: str) -> None:
    tell(f"note: {text}", fg="yellow")


def _fits(ssh: Path | None, *, allow_faults: bool, secrets: Path | None, of_lab: bool, faults: bool) -> None:
    """Refuse options that do not go together."""
    from integration.errors import LabError

    if ssh is None and (allow_faults or secrets):
        raise LabError("found --allow-faults or --secrets without --ssh; allowed: with it only, a lab has its own")
    if ssh is not None and of_lab:
        raise LabError("found --name or --keep with --ssh; allowed: without it only, no lab is made")
    if ssh is not None and faults and not allow_faults:
        raise LabError("found --faults with --ssh; allowed: with --allow-faults too, which lets hosts be broken")


def _is_of(lab: Lab, design: Topology) -> None:
    """Refuse a lab that is up and is another design's, or of which nothing runs."""
    from integration.errors import LabError
    from integration.lab.adapt import adapted

    again = f"`rmqha lab down {lab.name}` removes it, --name chooses another name"
    if not any(host.running for host in lab.hosts.values()):
        raise LabError(f"lab {lab.name}: found none of its hosts running; {again}")
    versions = lab.topology.versions.model_dump()
    if adapted(design, lab.release, versions).topology.digest != lab.topology.digest:
        raise LabError(f"lab {lab.name}: found a lab of another design, or of another state of it; {again}")
