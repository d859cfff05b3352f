"""What the steps of a pass share: the open services, the folder, and what the user decided."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from batch_issuer.acceptance import IssueOptions
from batch_issuer.assembly import Services, open_api
from batch_issuer.gateway import AnswerKind, read_access
from batch_issuer.inbox.folder import Completeness, Inbox
from batch_issuer.tasks import stop_of_its_own
from batch_issuer.tracking import ask


@dataclass(frozen=True, slots=True, kw_only=True)
class PassOptions:
    """What the user decides about a pass."""

    issue: IssueOptions = field(default_factory=IssueOptions)
    """For each file, besides what makes it that file."""
    rule: Completeness = field(default_factory=Completeness)
    refresh_open_days: float = 7.0
    """States are asked for again for so many days after a batch was made; 0 is never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A pass over a folder that is under way."""

    services: Services
    inbox: Inbox
    options: PassOptions


@asynccontextmanager
async def stopping_alone(services: Services) -> AsyncIterator[Services]:
    """Give services that a batch may stop without stopping the others; a stop from outside reaches all."""
    async with stop_of_its_own(services.stopping) as own:
        yield replace(services, stopping=own)


async def server_answers(services: Services) -> bool:
    """Ask the server for a little, and tell whether it answers at all."""
    async with open_api(services, read_access(services.settings)) as api:
        today = services.clock.now().date()
        answer = await ask(
            api.view(), lambda: api.client.list_requests(first_day=today, last_day=today, page=0), tries=2
        )
    return answer.kind not in {AnswerKind.NOT_REACHED, AnswerKind.IN_DOUBT}
