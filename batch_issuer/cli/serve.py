"""`serve`: the web console."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

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
) -> None:
    """Serve the web console: upload, check, submit and follow up in a browser."""
    from batch_issuer.cli.running import run_until_stopped, settings_again, settings_for
    from batch_issuer.clock import Clock
    from batch_issuer.web import serve

    settings = settings_for(context, console_host=host, console_port=port)

    def load(given: "Mapping[str, object]") -> "Settings":
        return settings_again(context, **given)

    run_until_stopped(
        lambda stopping: serve(settings, stopping, clock=Clock(), load_settings=load, on_open=_say_where)
    )


def _say_where(url: str, console: "Console") -> None:
    """Say where the console is; the code for the first account is for who can read this terminal."""
    typer.echo(f"The console: {console.settings.console_url or url}   (stop it with Ctrl-C)")
    if console.is_new:
        typer.echo(f"No account yet. Make the first one: {url}/welcome?code={console.welcome_code}")
