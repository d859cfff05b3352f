"""A file that is issued in parts leaves the files that one issued in one piece leaves, byte for byte."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch_issuer.acceptance import IssueOptions, accept
from batch_issuer.assembly import Services
from batch_issuer.engine import Engine
from batch_issuer.gateway import sending_access
from batch_issuer.reports import Summary
from batch_issuer.sandbox import Scenario
from batch_issuer.sending import send_accepted
from batch_issuer.tracking import Wait
from tests.pipeline.world import BADGES, World, open_world, outcomes

from .both_ways import ALL, FILES, TINY
from .engines import Elsewhere, Twice

UNKNOWN = "deadbad0" + "0" * 16
HEADER = "customer_id,badge_meta_id,owner_type,reference_id"
ROWS = "".join(
    f'{n % 9 + 1},{UNKNOWN if n % 11 == 5 else BADGES[n % 4]},Loyalty,r{n % 2},"note\n{n}"\n'
    for n in range(90)
)
FILE = f'{HEADER},"my\nnote"\n{ROWS}x,{BADGES[0]},,,\n\n7,,,,"a ""b"""\n'
SCENARIO = Scenario(decide_after_seconds=3, holder_share=0.2, omit_share=0.1)


def issuing(file: Path, engine: Engine | None, **options: Any) -> Callable[[Services], Any]:
    """Accept a file in either way, and send it from here."""
    chosen = IssueOptions(on_invalid="skip", max_invalid=ALL, **options)

    async def issue(services: Services) -> Summary:
        access, inner = sending_access(services.settings)
        accepted = await accept(replace(services, engine=engine, sizes=TINY), file, chosen, access)
        return await send_accepted(services, accepted, access, inner, Wait(seconds=60))

    return issue


async def issue_in(folder: Path, engine: Engine | None) -> tuple[dict[str, int], dict[str, bytes], World]:
    async with open_world(folder, SCENARIO, concurrency=1) as world:
        earlier = world.write(f"{HEADER}\n3,{BADGES[2]},Loyalty,r0\n", "earlier.csv")
        await world.run(issuing(earlier, None))
        await world.time.sleep(1)
        summary = await world.run(issuing(world.write(FILE, "large.csv"), engine, file_name="customers.csv"))
    written = {name: (summary.folder / name).read_bytes() for name in (*FILES, "failed.csv")}
    return outcomes(summary), written, world


async def test_all_files_of_a_batch_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("whole", "in parts")]
    for place in places:
        place.mkdir()
    whole, files, world = await issue_in(places[0], None)
    in_parts, same, other = await issue_in(places[1], Twice())
    assert same == files
    assert in_parts == whole
    assert {"issued", "issue_failed", "duplicate", "invalid", "already_issued"} <= whole.keys()
    assert world.sent_customers() == other.sent_customers()


async def test_a_badge_that_is_bad_is_told_in_every_row_that_uses_it(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        summary = await world.run(issuing(world.write(FILE), Elsewhere()))
    rejected = (summary.folder / "rejects.csv").read_text("utf-8-sig")
    assert rejected.count("the server knows no badge of this id") == FILE.count(UNKNOWN) > 5
