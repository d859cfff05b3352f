"""Checks that badges can be looked up, and the badge that the settings name for whole files."""

from functools import partial
from typing import Final

from batch_issuer.assembly import Services, open_api
from batch_issuer.batch.badges import BadgeBook
from batch_issuer.diagnosis.findings import Findings, ok, warning
from batch_issuer.gateway import Access, AnswerKind
from batch_issuer.tracking import ask

_NOBODY: Final = "0" * 24
"""To ask for a badge that there hardly is tells as well whether one may ask."""


async def check_badges(services: Services, access: Access) -> Findings:
    """Look one badge up."""
    settings = services.settings
    badge = (settings.badge_meta_id or _NOBODY).strip().lower()
    async with open_api(services, access) as api:
        answer = await ask(api.view(), partial(api.client.look_up_badge, badge), tries=1)
    if answer.kind is not AnswerKind.OK:
        found = f"badges can't be looked up ({answer.error.message}): files are sent without that check"
        return [
            warning("badges", found, "ask for the right to read badges, or leave it with --no-check-badges")
        ]
    if settings.badge_meta_id is not None:
        book = BadgeBook(badges={badge: answer.badge}, today=services.clock.now())
        fault = book.fault((badge, settings.owner_type or "", ""))
        if fault:
            return [warning("badges", f"BADGE_META_ID {badge} can't be issued: {fault}", "set another")]
    return [ok("badges", "badges can be looked up")]
