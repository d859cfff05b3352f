"""The border to apprise: one notice to one channel, within bounds, in a thread that nobody waits for."""

import asyncio
import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from batch_issuer.notify_settings import addresses, without_secrets

if TYPE_CHECKING:
    from apprise import Apprise, AppriseAttachment, NotifyBase

T = TypeVar("T")

MAX_ATTACHED_BYTES: Final = 5 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Somewhere people are told; its address holds secrets."""

    address: str

    def __repr__(self) -> str:
        return f"Channel({self.scheme})"

    @property
    def scheme(self) -> str:
        """What kind of channel it is: all of its address that may be shown."""
        return self.address.partition("://")[0]

    @property
    def id(self) -> str:
        """Return what the ledger knows it by."""
        return sha256(without_secrets(self.address).encode()).hexdigest()[:16]


def channels_in(text: str) -> tuple[Channel, ...]:
    """Return the channels that a setting names."""
    return tuple(Channel(address=address) for address in addresses(text))


def is_understood(channel: Channel) -> bool:
    """Tell whether apprise can make anything of a channel's address; nothing is sent."""
    return bool(_opened(channel))


async def deliver(
    channel: Channel, *, subject: str, body: str, attachment: Path | None, patience: float
) -> bool:
    """Hand a notice to a channel, and tell whether it took it within some seconds."""
    try:
        async with asyncio.timeout(patience):
            return await _in_a_thread(lambda: _deliver(channel, subject, body, attachment))
    except TimeoutError:
        return False


def _deliver(channel: Channel, subject: str, body: str, attachment: Path | None) -> bool:
    from apprise import NotifyFormat  # noqa: PLC0415 - heavy, and needed only where somebody is told

    opened = _opened(channel)
    return bool(
        opened
        and opened.notify(
            title=subject,
            body=body,
            body_format=NotifyFormat.TEXT,
            attach=_attached(opened[0], attachment),
            interpret_escapes=False,
        )
    )


def _opened(channel: Channel) -> "Apprise":
    """Return what speaks to a channel; it is empty where apprise does not understand the address."""
    from apprise import Apprise, AppriseAsset, PersistentStoreMode  # noqa: PLC0415 - as above

    asset = AppriseAsset(
        app_id="batch_issuer",
        app_desc="batch_issuer",
        app_url="",
        async_mode=False,  # one after the other, in our own thread: its pool would be waited for at the end
        service_timeout=0,  # ours counts
        http_redirects=False,
        interpret_emojis=False,
        pgp_autogen=False,
        pem_autogen=False,
        storage_mode=PersistentStoreMode.MEMORY,  # no files of its own
    )
    opened = Apprise(asset=asset)
    opened.add(channel.address)
    return opened


def _attached(service: "NotifyBase", attachment: Path | None) -> "AppriseAttachment | None":
    """Return a file as it is attached, where the channel can, and it is there and not too large."""
    from apprise import AppriseAttachment  # noqa: PLC0415 - as above
    from apprise.attachment.file import AttachFile  # noqa: PLC0415 - as above

    if attachment is None or not service.attachment_support:
        return None
    try:
        size = attachment.stat().st_size
    except OSError:  # moved or pruned meanwhile: the text still counts
        return None
    if size > MAX_ATTACHED_BYTES:
        return None
    attached = AppriseAttachment()
    attached.add(AttachFile(str(attachment)))  # type: ignore[no-untyped-call]  # by its path: as an address a ? or % in it would count
    return attached


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Run work in a thread that the end of the program does not wait for, as it would for asyncio's."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(outcome: Callable[[], None]) -> None:
        if not done.done():
            outcome()

    def run() -> None:
        try:
            result = work()
        except Exception as exc:  # noqa: BLE001 - it is raised where somebody waits for it
            outcome = functools.partial(done.set_exception, exc)
        else:
            outcome = functools.partial(done.set_result, result)
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name="notice", daemon=True).start()
    return await done
