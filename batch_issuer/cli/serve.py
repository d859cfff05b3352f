"""`serve`: the web console."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

    from batch_issuer.sandbox import Sandbox
    from batch_issuer.settings import Settings
    from batch_issuer.web.console import Console


def command(
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen at; this machine alone by default. [env: BATCH_ISSUER_CONSOLE_HOST]"
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 0 picks a free one. [env: BATCH_ISSUER_CONSOLE_PORT]"),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help="Try it out: a simulated API, and a fresh folder and ledger under OUTPUT/demo."
        ),
    ] = False,
) -> None:
    """Serve the web console: upload, check, submit, approve and follow up in a browser."""
    from batch_issuer.cli.running import run_until_stopped, settings_again, settings_for

    given = {"console_host": host, "console_port": port}
    settings = settings_for(context, **given)

    def load(changes: "Mapping[str, object]") -> "Settings":
        return settings_again(context, **{**given, **changes})

    async def work(stopping: "asyncio.Event") -> None:
        from batch_issuer.clock import Clock
        from batch_issuer.web import serve

        async with AsyncExitStack() as stack:
            served = await _invented(stack, settings) if demo else settings
            await serve(
                served,
                stopping,
                clock=Clock(),
                load_settings=None if demo else load,
                on_open=_say_where,
            )

    run_until_stopped(work)


def _say_where(url: str, console: "Console") -> None:
    """Say where the console is; the code for the first account is for who can read this terminal."""
    typer.echo(f"The console: {console.settings.console_url or url}   (stop it with Ctrl-C)")
    if console.is_new:
        typer.echo(f"No account yet. Make the first one: {url}/welcome?code={console.welcome_code}")


async def _invented(stack: AsyncExitStack, settings: "Settings") -> "Settings":
    """Start a sandbox whose checker is a person, and make settings from it alone: nothing leads elsewhere."""
    from batch_issuer.cli.demo import fresh_folder
    from batch_issuer.sandbox import Sandbox, Scenario

    scenario = Scenario(seed=3, fail_share=0.08, holder_share=0.03, omit_share=0.01, latency_seconds=0.2)
    sandbox = await stack.enter_async_context(Sandbox(scenario=scenario))
    typer.echo("A demo: a simulated API on this machine; nothing leaves it, and no badge is real.")
    return demo_settings(sandbox, settings, fresh_folder(settings.output / "demo"))


def demo_settings(sandbox: "Sandbox", settings: "Settings", folder: "Path") -> "Settings":
    """Return settings for a sandbox, its maker and its checker; of those given, where the console listens."""
    from batch_issuer.cli.sandbox import checker_settings, sandbox_settings
    from batch_issuer.settings import Settings

    return Settings.model_validate(
        {
            **sandbox_settings(sandbox),
            **checker_settings(sandbox),
            **{name: getattr(settings, name) for name in ("console_host", "console_port", "console_url")},
            "output": folder,
            "chunk_size": 20,
            "rate": 600,
            "environment": "test",
        }
    )
