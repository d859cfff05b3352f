"""`doctor`: checks whether batches can be sent from here."""

from typing import TYPE_CHECKING

import typer

from batch_issuer.cli import options as o

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch_issuer.diagnosis import Finding


def command(context: typer.Context, as_json: o.AsJson = False) -> None:
    """Check settings, secrets, folders, ledger, server and credentials; sends and changes nothing."""
    import asyncio
    import os
    from functools import partial

    from batch_issuer.cli.running import new_event_loop, set_up
    from batch_issuer.clock import Clock
    from batch_issuer.cluster import open_engine
    from batch_issuer.diagnosis import examine, exit_code_of, survey_settings

    chosen: o.GlobalOptions = context.obj
    given = {"profile": chosen.profile, "ledger": chosen.ledger, "output": chosen.output}
    survey = survey_settings(config=chosen.config, options=given, environ=os.environ)
    if survey.settings is not None:
        set_up(chosen, survey.settings)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        opening = partial(open_engine, verbosity=chosen.verbosity)
        findings = runner.run(examine(survey, clock=Clock(), open_engine=opening))
    code = exit_code_of(findings)
    _print(findings, code, profile=chosen.profile, as_json=as_json)
    raise typer.Exit(code)


def _print(findings: "Sequence[Finding]", code: int, *, profile: str | None, as_json: bool) -> None:
    from batch_issuer.batch.commands import for_profile
    from batch_issuer.cli.rendering import print_json

    if as_json:
        lines = [
            {"check": line.check, "state": line.state.value, "found": line.found, "advice": line.advice}
            for line in findings
        ]
        print_json({"exit_code": int(code), "checks": lines})
        return
    for line in findings:
        state = line.state.value.replace("_", " ")
        advice = f"; {line.advice}" if line.advice else ""
        typer.echo(f"{state:<12} {line.check:<12} {line.found}{advice}")
    problems = "There are problems. When they are solved: batch-issuer doctor"
    typer.echo("\n" + for_profile(problems if code else "Next: batch-issuer plan FILE", profile))
