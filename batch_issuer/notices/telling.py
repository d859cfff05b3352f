"""Tells people what a run did and what waits: gathers facts, records the notices, hands them to channels."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy import Connection

from batch_issuer.assembly import Services
from batch_issuer.batch.commands import for_profile
from batch_issuer.clock import format_instant
from batch_issuer.errors import BatchInUse, BatchIssuerError, InputRefused, NoPermission, NotFinished
from batch_issuer.gateway.access import normal_url
from batch_issuer.ledger import BatchStage
from batch_issuer.ledger.notices import (
    StoredNotice,
    note_told,
    notices_made,
    store_notices,
    untold_notices,
)
from batch_issuer.ledger.waiting import Place, batches_with_news, unfinished_at, waiting_batches
from batch_issuer.notices.channels import Channel, channels_in, deliver
from batch_issuer.notices.facts import Day, Facts, Kind, RefusedFile, Rules, Run
from batch_issuer.notices.rules import ABOUT_RUN, Notice, digest_is_due, due_notices
from batch_issuer.notify_settings import Threshold, time_of_day
from batch_issuer.reports import Summary, summarise
from batch_issuer.settings import Settings

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 60.0
_SHORT_PATIENCE_SECONDS: Final = 10.0
_LEASE: Final = "notices"
_TURNS: Final = 10
_TURN_SECONDS: Final = 1.0
_DAY: Final = timedelta(days=1)


async def told(
    services: Services, work: Callable[[Services], Awaitable[Summary]], *, file: Path | None = None
) -> Summary:
    """Do a command's work, and tell people of it; an error is told, and raised all the same."""
    try:
        summary = await work(services)
    except InputRefused as exc:
        if file is not None:
            await tell(services, Run(refused=[RefusedFile(name=file.name, problem=str(exc))]))
        raise
    except (NotFinished, NoPermission) as exc:
        await tell(services, Run(error=str(exc)))
        raise
    await tell(services, Run(summaries=[summary]))
    return summary


async def tell(services: Services, run: Run, *, patience: float = PATIENCE_SECONDS) -> None:
    """Tell what a run did and what waits, each thing once, to every channel that the settings name.

    Whatever a channel does not take is kept in the ledger and tried again the next time. Raises nothing:
    a run is not the worse for it.
    """
    audiences = _audiences(services.settings)
    if not any(audiences.values()):
        return
    if services.stopping.is_set():  # whoever stopped us waits for the end
        patience = min(patience, _SHORT_PATIENCE_SECONDS)
    try:
        await _record(services, run, audiences)
        await _deliver_all(services, {one.id: one for some in audiences.values() for one in some}, patience)
    except BatchIssuerError as exc:
        log.warning("notices could not be told", extra={"reason": type(exc).__name__})


def _audiences(settings: Settings) -> dict[Kind, tuple[Channel, ...]]:
    """Say who is told what."""
    makers, checkers = (_channels(setting) for setting in (settings.notify, settings.notify_checkers))
    return {kind: checkers if kind is Kind.TO_DECIDE else makers for kind in Kind}


def _channels(setting: SecretStr | None) -> tuple[Channel, ...]:
    return channels_in("" if setting is None else setting.get_secret_value())


async def _record(services: Services, run: Run, audiences: dict[Kind, tuple[Channel, ...]]) -> None:
    """Work out what is due and write it down before anybody is told."""
    rules = _rules(services.settings)
    now = services.clock.now().astimezone(ZoneInfo(services.settings.timezone))
    facts = await services.ledger.read(_gather, services, run, rules, now)
    stored = [
        _stored(services, notice, channel, now)
        for notice in due_notices(facts, rules)
        for channel in audiences[notice.kind]
    ]
    if stored:
        await services.ledger.write(store_notices, stored)


def _rules(settings: Settings) -> Rules:
    return Rules(
        failed=Threshold.parse(settings.notify_failed),
        pending_hours=settings.notify_pending_hours,
        no_file_by=time_of_day(settings.notify_no_file_by),
        digest_at=time_of_day(settings.notify_digest_at),
    )


def _gather(connection: Connection, services: Services, run: Run, rules: Rules, now: datetime) -> Facts:
    """Read what the rules need to know, from one view of the ledger."""
    place = _place(services.settings)
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    made = notices_made(
        connection,
        about=[ABOUT_RUN, *(summary.batch.batch for summary in run.summaries)],
        since=now - 2 * _DAY,
    )
    refused_today = any(one.kind == Kind.REFUSED and one.made_at >= format_instant(midnight) for one in made)
    news = batches_with_news(connection, midnight, place)
    came = refused_today or any(batch.created_at >= format_instant(midnight) for batch in news)
    before = now - timedelta(hours=rules.pending_hours)
    late = waiting_batches(connection, before=before, place=place) if rules.pending_hours else []
    facts = Facts(run=run, now=now, file_came=came, late=late, made=made)
    if not digest_is_due(facts, rules):
        return facts
    return replace(facts, day=_day(connection, services, facts, place))


def _place(settings: Settings) -> Place | None:
    """Return whose batches are looked at: those of others who share the ledger are not ours to tell."""
    if settings.base_url is None:
        return None
    return Place(base_url=normal_url(settings.base_url), org_id=settings.org_id or "")


def _day(connection: Connection, services: Services, facts: Facts, place: Place | None) -> Day:
    digests = [one.made_at for one in facts.made if one.kind == Kind.DIGEST]
    since = max(map(datetime.fromisoformat, digests), default=facts.now - _DAY)
    begun = format_instant(since)
    batches = batches_with_news(connection, since, place)
    counted = [summarise(connection, batch, services.batch_folder(batch.batch)).counts for batch in batches]
    new = [batch for batch in batches if batch.created_at > begun]
    refused = sum(batch.stage is BatchStage.REFUSED for batch in new)
    told = [one for one in facts.made if one.kind == Kind.REFUSED and not one.about]
    no_batch = {one.key for one in told if one.made_at > begun}
    return Day(
        since=since.astimezone(facts.now.tzinfo),
        batches=len(new) - refused,
        refused=refused + len(no_batch) + len(facts.run.refused),
        counts=sum(map(Counter, counted), Counter()),
        waiting=waiting_batches(connection, before=facts.now, place=place),
        unfinished=unfinished_at(connection, place),
    )


def _stored(services: Services, notice: Notice, channel: Channel, now: datetime) -> StoredNotice:
    attaches = services.settings.notify_attach
    return StoredNotice(
        channel=channel.id,
        key=notice.key,
        kind=notice.kind.value,
        about=notice.about,
        figure=notice.figure,
        subject=services.redact(notice.text.subject),
        body=services.redact(for_profile(notice.text.body, services.settings.profile)),
        attachment=str(notice.attachment) if notice.attachment and attaches else "",
        made_at=format_instant(now),
        until=format_instant(now + notice.lasts),
    )


async def _deliver_all(services: Services, channels: dict[str, Channel], patience: float) -> None:
    """Hand every channel what it was not told yet, one process at a time."""
    if not await services.ledger.read(untold_notices, list(channels), services.clock.now()):
        return
    async with AsyncExitStack() as stack:
        if not await _take_turn(services, stack):
            log.info("another process tells notices")  # and what it leaves is told the next time
            return
        deaf: set[str] = set()
        for notice in await services.ledger.read(untold_notices, list(channels), services.clock.now()):
            if notice.channel not in deaf and not await _tell_one(
                services, channels[notice.channel], notice, patience
            ):
                deaf.add(notice.channel)  # its other notices would only take as long


async def _take_turn(services: Services, stack: AsyncExitStack) -> bool:
    for _ in range(_TURNS):
        try:
            await stack.enter_async_context(services.lease(_LEASE))
        except BatchInUse:
            await services.clock.sleep(_TURN_SECONDS)
        else:
            return True
    return False


async def _tell_one(services: Services, channel: Channel, notice: StoredNotice, patience: float) -> bool:
    is_taken = await deliver(
        channel,
        subject=notice.subject,
        body=f"{notice.body}\n\nTold by batch-issuer on {services.process.host}",
        attachment=Path(notice.attachment) if notice.attachment else None,
        patience=patience,
    )
    known = {"channel": channel.scheme, "kind": notice.kind}
    if is_taken:
        await services.ledger.write(note_told, notice, services.clock.timestamp())
        log.info("notice told", extra=known)
    else:
        log.warning("a channel did not take a notice; it is told the next time", extra=known)
    return is_taken
