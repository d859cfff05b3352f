"""`sandbox`: a simulated workflow API, for trying things out."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from batch_issuer.sandbox import Sandbox


class Auth(StrEnum):
    """Which logins the sandbox takes."""

    BASIC = "basic"
    OAUTH = "oauth"
    BOTH = "both"


class ListShift(StrEnum):
    """How the list shifts under a caller who pages."""

    NONE = "none"
    REPEAT = "repeat"
    MISS = "miss"


def command(
    host: Annotated[str, typer.Option(help="Address to listen on; keep it on this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8089,
    decide_after: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="Decide by itself after so long; 0: auto-approval in the answer."
        ),
    ] = None,
    reject_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that are rejected.")
    ] = 0,
    leave_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that nobody decides.")
    ] = 0,
    fail_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests whose inner call fails.")
    ] = 0,
    holder_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of customers who hold the badge already (1040).")
    ] = 0,
    omit_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of customers the answer does not name.")
    ] = 0,
    latency: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long each answer takes.")] = 0,
    rate_limit: Annotated[
        int | None, typer.Option(min=1, help="Calls a minute before it answers 429.")
    ] = None,
    auth: Annotated[Auth, typer.Option(help="Which logins it takes.")] = Auth.BOTH,
    token_ttl: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="How long an OAuth token lives.")
    ] = 300,
    max_customers: Annotated[
        int | None, typer.Option(min=1, help="More customers in one request than this are answered 413.")
    ] = None,
    fault_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of calls that meet a random fault.")
    ] = 0,
    fault_seconds: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long a random fault hangs or drips at most.")
    ] = 2,
    twice_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of POSTs that a proxy delivers twice.")
    ] = 0,
    list_lag: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long a new request is missing in the list.")
    ] = 0,
    list_shift: Annotated[
        ListShift, typer.Option(help="While one pages, entries of the list repeat, or some are missed.")
    ] = ListShift.NONE,
    seed: Annotated[int, typer.Option(help="Decides who meets which fate, and which call which fault.")] = 0,
) -> None:
    """Run a simulated workflow API on this machine, with invented credentials, until it is stopped."""
    import asyncio

    from batch_issuer.errors import UsageError
    from batch_issuer.sandbox import Sandbox, Scenario

    try:
        scenario = Scenario(
            seed=seed,
            decide_after_seconds=decide_after,
            reject_share=reject_share,
            leave_share=leave_share,
            fail_share=fail_share,
            holder_share=holder_share,
            omit_share=omit_share,
            latency_seconds=latency,
            rate_limit=rate_limit,
            auth=auth.value,
            token_ttl_seconds=token_ttl,
            max_customers=max_customers,
            fault_share=fault_share,
            fault_seconds=fault_seconds,
            twice_share=twice_share,
            list_lag_seconds=list_lag,
            list_shift=list_shift.value,
        )
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    asyncio.run(_serve(Sandbox(scenario=scenario, host=host, port=port)))


async def _serve(sandbox: "Sandbox") -> None:
    import asyncio
    import signal

    from batch_issuer.errors import UsageError

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with sandbox:
            typer.echo(f"The sandbox answers at {sandbox.url} until you press Ctrl-C. In another terminal:\n")
            for name, value in sandbox_settings(sandbox).items():
                typer.echo(f"  export BATCH_ISSUER_{name.upper()}={value}")
            typer.echo("  batch-issuer issue FILE --wait 60")
            await stop.wait()
    except OSError as exc:
        raise UsageError(f"the sandbox can't listen there ({exc.strerror}); choose another --port") from exc


def sandbox_settings(sandbox: "Sandbox") -> dict[str, str]:
    """Return the settings that let a maker reach a sandbox."""
    known = sandbox.credentials
    return {
        "base_url": sandbox.url,
        "username": known.maker_username,
        "password": known.maker_password,
        "org_id": known.org_id,
        "ui_auth_token": known.maker_ui_token,
        "till_id": "10000004",
        "store_id": "10000003",
        "zone_id": "10000002",
        "concept_id": "10000001",
    }


def checker_settings(sandbox: "Sandbox") -> dict[str, str]:
    """Return the settings that let a checker decide at a sandbox."""
    known = sandbox.credentials
    return {
        "checker_username": known.checker_username,
        "checker_password": known.checker_password,
        "checker_ui_auth_token": known.checker_ui_token,
    }
