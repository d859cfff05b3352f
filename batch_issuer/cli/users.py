"""`users`: who may use the console. Each change goes to the audit log, with the user of this machine."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from batch_issuer.cli import options as o

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pydantic import SecretStr

    from batch_issuer.accounts import Accounts, User
    from batch_issuer.ledger.audit import Actor
    from batch_issuer.ledger.tokens import TokenRecord

T = TypeVar("T")

app = typer.Typer(
    help="Say who may use the console, with which roles.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class RoleChoice(StrEnum):
    """What a user may do besides looking."""

    VIEWER = "viewer"
    MAKER = "maker"
    CHECKER = "checker"
    ADMIN = "admin"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
Roles = Annotated[
    list[RoleChoice],
    typer.Option("--role", help="A role: viewer, maker, checker, admin; repeatable."),
]
Generate = Annotated[bool, typer.Option("--generate", help="Draw a password, and print it once.")]


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    role: Roles,
    generate: Generate = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in at a trusted proxy, and only there.")
    ] = False,
) -> None:
    """Add a user; the password is asked for, or read as one line from standard input."""
    from batch_issuer.accounts import Role
    from batch_issuer.errors import UsageError

    if generate and no_password:
        raise UsageError("--generate and --no-password contradict each other; keep one of them")
    password = None if no_password else _password(generate=generate)
    roles = [Role(one.value) for one in role]
    user = _with_accounts(context, lambda accounts, by: accounts.add(name, roles, password, by=by))
    typer.echo(f"Added {user.user} ({_joined(user)}).")
    _print_generated(password, generate=generate)


@app.command("list")
def show_all(context: typer.Context, as_json: o.AsJson = False) -> None:
    """List the users with their roles and tokens, never a password."""

    async def read(accounts: "Accounts", _: "Actor") -> "tuple[Sequence[User], Sequence[TokenRecord]]":
        return await accounts.list(), await accounts.list_tokens()

    users, tokens = _with_accounts(context, read)
    if as_json:
        from batch_issuer.cli.rendering import print_json

        print_json([_as_json(user, tokens) for user in users])
        return
    _print_users(users, tokens)


@app.command("roles")
def set_roles(context: typer.Context, name: Name, role: Roles) -> None:
    """Give a user other roles, in place of those they have."""
    from batch_issuer.accounts import Role

    roles = [Role(one.value) for one in role]
    user = _with_accounts(context, lambda accounts, by: accounts.set_roles(name, roles, by=by))
    typer.echo(f"{user.user}: {_joined(user)}.")


@app.command("password")
def set_password(context: typer.Context, name: Name, generate: Generate = False) -> None:
    """Give a user another password; their sessions end, and so does a lock after wrong passwords."""
    password = _password(generate=generate)
    user = _with_accounts(context, lambda accounts, by: accounts.set_password(name, password, by=by))
    typer.echo(f"{user.user} has another password, and must sign in anew.")
    _print_generated(password, generate=generate)


@app.command("disable")
def disable(context: typer.Context, name: Name) -> None:
    """Let a user in no more: sessions end and tokens are revoked at once."""
    user = _with_accounts(context, lambda accounts, by: accounts.disable(name, by=by))
    typer.echo(f"{user.user} is disabled.\n\nNext: batch-issuer users enable {user.user}, to undo that")


@app.command("enable")
def enable(context: typer.Context, name: Name) -> None:
    """Let a user in again; a lock after wrong passwords ends, too."""
    user = _with_accounts(context, lambda accounts, by: accounts.enable(name, by=by))
    typer.echo(f"{user.user} is enabled, and must sign in anew.")


@app.command("token")
def make_token(
    context: typer.Context,
    name: Name,
    purpose: Annotated[str, typer.Option("--for", metavar="TEXT", help="What it is for; shown in lists.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="For how many days it is valid.")] = 90,
) -> None:
    """Make a token, by which another system uses the API as this user; it is printed once."""
    token, secret = _with_accounts(
        context, lambda accounts, by: accounts.make_token(name, purpose, days, by=by)
    )
    typer.echo(
        f"Token {token}, for {days} days. Keep it where secrets are kept; it is not shown again:", err=True
    )
    typer.echo(secret.get_secret_value())


@app.command("revoke")
def revoke_token(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="TOKEN_ID", help="What `users list` calls the token.")],
) -> None:
    """Take a token back for good."""
    record = _with_accounts(context, lambda accounts, by: accounts.revoke_token(token, by=by))
    typer.echo(f"Token {record.token} of {record.user} ({record.name}) is revoked.")


def _with_accounts(context: typer.Context, work: "Callable[[Accounts, Actor], Awaitable[T]]") -> T:
    """Do some work with the accounts of the ledger, on behalf of whoever runs the command."""
    from batch_issuer.accounts import Accounts
    from batch_issuer.cli.running import run_until_stopped, settings_for
    from batch_issuer.clock import Clock
    from batch_issuer.ledger import open_ledger
    from batch_issuer.ledger.audit import Actor, Via
    from batch_issuer.processes import machine_user

    settings, clock = settings_for(context), Clock()

    async def do(_: object) -> T:
        async with open_ledger(settings.ledger_url, clock) as ledger:
            return await work(Accounts(ledger, clock), Actor(user=machine_user(), via=Via.COMMAND_LINE))

    return run_until_stopped(do)


def _password(*, generate: bool) -> "SecretStr":
    from pydantic import SecretStr

    from batch_issuer.accounts import new_password
    from batch_issuer.errors import UsageError

    if generate:
        return new_password()
    if sys.stdin.isatty():
        return SecretStr(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise UsageError("no password came on standard input; give one line, or add --generate")
    return SecretStr(line)


def _print_generated(password: "SecretStr | None", *, generate: bool) -> None:
    if generate and password is not None:
        typer.echo(f"Password, shown this once: {password.get_secret_value()}")


def _joined(user: "User") -> str:
    return ", ".join(sorted(user.roles))


def _as_json(user: "User", tokens: "Sequence[TokenRecord]") -> dict[str, Any]:
    return {
        "user": user.user,
        "roles": sorted(user.roles),
        "password": user.has_password,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
        "tokens": [
            {
                "token": token.token,
                "for": token.name,
                "created_at": token.created_at,
                "ends_at": token.ends_at,
                "revoked_at": token.revoked_at,
            }
            for token in tokens
            if token.user == user.user
        ],
    }


def _print_users(users: "Sequence[User]", tokens: "Sequence[TokenRecord]") -> None:
    if not users:
        typer.echo("No user yet. Next: batch-issuer users add NAME --role admin")
        return
    width = max(4, *(len(user.user) for user in users)) + 2
    typer.echo(f"{'user':<{width}}{'roles':<32}{'since':<22}signs in")
    for user in users:
        signs_in = "with a password" if user.has_password else "at the proxy"
        state = f"disabled at {user.disabled_at}" if user.disabled_at else signs_in
        typer.echo(f"{user.user:<{width}}{_joined(user):<32}{user.created_at:<22}{state}")
        for token in tokens:
            if token.user == user.user and not token.revoked_at:
                typer.echo(f"{'':<{width}}token {token.token} until {token.ends_at}, for {token.name}")
