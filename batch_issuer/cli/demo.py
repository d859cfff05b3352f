"""`demo`: the main job against a sandbox, from the sample to its reconciliation."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from batch_issuer.cli import options as o

if TYPE_CHECKING:
    from batch_issuer.reports import Summary
    from batch_issuer.sandbox import Sandbox, Scenario
    from batch_issuer.settings import Settings

_WAIT_SECONDS = 25.0


def command(context: typer.Context, as_json: o.AsJson = False) -> None:
    """Issue a sample to a simulated API, follow it to the end, and say where the files are."""
    import asyncio

    from batch_issuer.cli.rendering import print_summary
    from batch_issuer.cli.running import settings_for

    output = settings_for(context).output
    if not as_json:
        typer.echo("A demo: 200 customers of sample.csv, a simulated API on this machine, invented ids.\n")
    summary = asyncio.run(_demo(context, output))
    print_summary(summary, as_json=as_json)
    raise typer.Exit(summary.exit_code)


def _scenario() -> "Scenario":
    """Let the sample meet every fate: a checker who decides after two seconds, and some bad luck."""
    from batch_issuer.sandbox import Scenario

    return Scenario(
        seed=3,
        decide_after_seconds=2,
        reject_share=0.1,
        fail_share=0.08,
        holder_share=0.03,
        omit_share=0.01,
    )


async def _demo(context: typer.Context, output: Path) -> "Summary":
    import asyncio

    from batch_issuer.acceptance import IssueOptions
    from batch_issuer.assembly import open_services
    from batch_issuer.cli.running import progress_for
    from batch_issuer.cli.template import template_file
    from batch_issuer.clock import Clock
    from batch_issuer.pipeline import issue
    from batch_issuer.sandbox import Sandbox
    from batch_issuer.tracking import Wait

    options = IssueOptions(name="Demo", on_invalid="skip")
    progress = progress_for(context)
    async with Sandbox(scenario=_scenario()) as sandbox:
        settings = _settings(sandbox, fresh_folder(output / "demo"))
        async with open_services(
            settings, clock=Clock(), stopping=asyncio.Event(), progress=progress
        ) as services:
            wait = Wait(seconds=_WAIT_SECONDS, first_delay=3)
            try:
                return await issue(services, template_file("sample.csv"), options, wait)
            finally:
                progress.close()


def _settings(sandbox: "Sandbox", folder: Path) -> "Settings":
    """Make settings from the sandbox alone: neither environment nor file can lead a demo elsewhere."""
    from batch_issuer.cli.sandbox import sandbox_settings
    from batch_issuer.settings import Settings

    return Settings.model_validate(
        {**sandbox_settings(sandbox), "output": folder, "chunk_size": 20, "rate": 600}
    )


def fresh_folder(parent: Path) -> Path:
    """Make a folder that was not there before. Raises OutputNotWritable."""
    from batch_issuer.errors import OutputNotWritable

    number = 1
    try:
        while True:
            folder = parent / f"{number:03d}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                number += 1
            else:
                return folder
    except OSError as exc:
        raise OutputNotWritable(parent, exc.strerror) from exc
