"""Checks of the channels that people are told through: whether their addresses can be used; none is told."""

import asyncio
from collections.abc import Sequence

from batch_issuer.diagnosis.findings import Finding, ok, problem
from batch_issuer.notices import Channel, channels_in, is_understood
from batch_issuer.settings import Settings

_CHECK = "notices"


async def check_channels(settings: Settings) -> Finding:
    """Tell whether each channel's address is one that a notice can be sent to; only its kind is shown."""
    named = [one for one in (settings.notify, settings.notify_checkers) if one is not None]
    channels = [channel for text in named for channel in channels_in(text.get_secret_value())]
    if not channels:
        return ok(_CHECK, "nobody is told; NOTIFY names who is")
    unknown = await asyncio.to_thread(_not_understood, channels)
    if unknown:
        advice = "write each as docs/how-to/tell-people.md shows"
        return problem(_CHECK, f"no channel can be made of an address that begins {unknown}", advice)
    count = len(channels)
    return ok(_CHECK, f"{count} channel{'' if count == 1 else 's'} can be told; nothing was sent")


def _not_understood(channels: Sequence[Channel]) -> str:
    kinds = sorted({f"{channel.scheme}://" for channel in channels if not is_understood(channel)})
    return ", ".join(kinds)
