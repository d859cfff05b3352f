"""Where notices arrive: a real webhook and a real mail server on loopback, which can be told to fail."""

import asyncio
import base64
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage, Message

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(slots=True, kw_only=True)
class Told:
    """A notice as its receiver sees it."""

    subject: str
    body: str
    attached: dict[str, bytes] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return f"{self.subject}\n{self.body}"


@dataclass(slots=True, kw_only=True)
class Webhook:
    """Takes what apprise posts to json:// addresses."""

    port: int = 0
    status: int = 200
    calls: int = 0
    told: list[Told] = field(default_factory=list)
    redirect_to: str = ""

    def address(self, path: str = "/hook") -> str:
        return f"json://127.0.0.1:{self.port}{path}"

    def subjects(self) -> list[str]:
        return [one.subject for one in self.told]

    async def take(self, request: web.Request) -> web.Response:
        self.calls += 1
        sent = await request.json()
        if self.redirect_to:
            raise web.HTTPTemporaryRedirect(self.redirect_to)
        if self.status == 200:
            attached = {one["filename"]: base64.b64decode(one["base64"]) for one in sent["attachments"]}
            self.told.append(Told(subject=sent["title"], body=sent["message"], attached=attached))
        return web.Response(status=self.status)


@asynccontextmanager
async def open_webhook() -> AsyncIterator[Webhook]:
    hook = Webhook()
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/{path:.*}", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hook.port = runner.addresses[0][1]
        yield hook
    finally:
        await runner.cleanup()


@dataclass(kw_only=True)  # without slots: aiosmtpd looks at every member, and some Pythons trip over theirs
class MailServer:
    """Keeps the mails it takes."""

    port: int = 0
    answer: str = "250 OK"
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    def address(self, to: str = "ops@example.com") -> str:
        return f"mailto://127.0.0.1:{self.port}?from=nightly@example.com&to={to}"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            mail = email.message_from_bytes(content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            self.recipients.append(list(envelope.rcpt_tos))
        return self.answer

    def told(self) -> list[Told]:
        return [
            Told(
                subject=mail["Subject"],
                body="\n".join(
                    part.get_content()
                    for part in mail.walk()
                    if part.get_content_maintype() == "text" and part.get_filename() is None
                ),
                attached={
                    str(part.get_filename()): _content(part)
                    for part in mail.iter_attachments()
                    if part.get_filename()
                },
            )
            for mail in self.mails
        ]


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


@asynccontextmanager
async def open_mail_server() -> AsyncIterator[MailServer]:
    mailbox = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, hostname="mail.test"), "127.0.0.1", 0)
    async with server:
        mailbox.port = server.sockets[0].getsockname()[1]
        yield mailbox


@asynccontextmanager
async def open_silent_server() -> AsyncIterator[int]:
    """Open a port that takes connections and never says a word."""
    over = asyncio.Event()

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        over.set()
