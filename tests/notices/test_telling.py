"""Who is told what, and how often: each rule on real channels, on a clock that is moved by hand."""

import asyncio
import logging
import re
import sqlite3
from pathlib import Path

import pytest

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.batch.outcomes import Outcome
from batch_issuer.errors import InputRefused, NoPermission
from batch_issuer.notices import RefusedFile, told
from batch_issuer.planning import MaxInvalid
from batch_issuer.sandbox import Scenario
from tests.notices.conftest import Night
from tests.notices.receivers import MailServer, Told, Webhook, open_silent_server, open_webhook
from tests.pipeline.world import customers

INVALID = customers(3) + "70000000x,000000000000000000000001\n"
HALF = MaxInvalid.parse("50%")
CUSTOMER = re.compile(r"7000000\d\d|70000000x")


def _said(caplog: pytest.LogCaptureFixture) -> str:
    """Return what our own log says; that of apprise goes nowhere."""
    ours = (record for record in caplog.records if record.name.startswith("batch_issuer"))
    return "\n".join(f"{record.getMessage()} {record.__dict__}" for record in ours)


def only(notices: list[Told]) -> Told:
    (one,) = notices
    return one


async def test_a_refused_input_is_told_once_with_its_rejects_and_the_next_command(
    night: Night, hook: Webhook
) -> None:
    summary = await night.issue(night.world.write(INVALID))
    await night.look()

    one = only(hook.told)
    assert one.subject == "customers.csv was refused: nothing was sent"
    assert "1 row of 4 can't be issued as they are" in one.body
    assert "1 x is not a whole number: enter the customer's id in digits only" in one.body
    assert "Next: batch-issuer issue customers.csv" in one.body
    assert summary.batch.batch in one.body
    assert one.attached == {"rejects.csv": (summary.folder / "rejects.csv").read_bytes()}


async def test_what_to_run_next_is_told_with_the_profile(night: Night, hook: Webhook) -> None:
    night.world.overrides["profile"] = "north"
    await night.issue(night.world.write(INVALID))

    assert "Next: batch-issuer --profile north issue customers.csv" in only(hook.told).body


async def test_a_file_that_is_no_spreadsheet_is_told_and_still_refused(night: Night, hook: Webhook) -> None:
    with pytest.raises(InputRefused):
        await night.issue(night.world.write("", "empty.csv"))

    one = only(hook.told)
    assert one.subject == "empty.csv was refused: nothing was sent"
    assert "empty.csv is empty" in one.body


async def test_a_header_that_is_a_customer_is_not_repeated(night: Night, hook: Webhook) -> None:
    with pytest.raises(InputRefused, match="700000001"):
        await night.issue(night.world.write("customer_ib700000001,badge_meta_id\n1,2\n", "headless.csv"))

    one = only(hook.told)
    assert "headless.csv" in one.body
    assert "700000001" not in one.text


async def test_the_same_name_refused_on_two_days_is_told_twice(night: Night, hook: Webhook) -> None:
    file = RefusedFile(name="a.csv", problem="a.csv is empty", next_command="batch-issuer issue a.csv")
    await night.look(refused=[file])
    night.later(days=1)
    await night.look(refused=[file])

    assert hook.subjects() == ["a.csv was refused: nothing was sent"] * 2


@pytest.mark.parametrize("scenario", [Scenario(decide_after_seconds=0, holder_share=0.3)])
async def test_failed_rows_are_told_once_with_their_file(night: Night, hook: Webhook) -> None:
    summary = await night.issue(night.world.write(customers(30)))
    failed = summary.counts[Outcome.ISSUE_FAILED]
    assert failed
    await night.refresh(summary.batch.batch)

    one = only(hook.told)
    assert one.subject == f"{failed} of 30 rows failed in customers.csv"
    assert f"- {failed} issue_failed: the server refused this customer" in one.body
    assert list(one.attached) == ["failed.csv"]
    assert not CUSTOMER.search(one.text)


@pytest.mark.parametrize(
    ("threshold", "notices"), [("1", 1), ("2", 1), ("3", 0), ("50%", 1), ("51%", 0), ("0", 0)]
)
async def test_failures_below_the_threshold_are_not_told(
    night: Night, hook: Webhook, threshold: str, notices: int
) -> None:
    night.world.overrides["notify_failed"] = threshold
    rows = customers(2) + "x,000000000000000000000001\n" * 2
    await night.issue(night.world.write(rows), on_invalid="skip", max_invalid=HALF)

    assert len(hook.told) == notices


@pytest.mark.parametrize("scenario", [Scenario(decide_after_seconds=60, reject_share=0.5, seed=3)])
async def test_failures_are_told_again_when_there_are_more(night: Night, hook: Webhook) -> None:
    rows = customers(8) + "x,000000000000000000000001\n"
    summary = await night.issue(night.world.write(rows), on_invalid="skip", max_invalid=HALF)
    night.later(hours=1)
    for _ in range(2):
        summary = await night.refresh(summary.batch.batch)

    rejected = summary.counts[Outcome.REJECTED]
    assert rejected
    assert hook.subjects() == [
        "1 of 9 rows failed in customers.csv",
        f"{1 + rejected} of 9 rows failed in customers.csv",
    ]


async def test_an_unfinished_batch_is_told_once_and_then_its_end(night: Night, hook: Webhook) -> None:
    summary = await night.issue_in_part(night.world.write(customers(6)))
    assert summary.exit_code is ExitCode.NOT_FINISHED
    await night.refresh(summary.batch.batch)
    await night.resume()
    await night.refresh(summary.batch.batch)

    assert hook.subjects() == ["customers.csv is not finished", "customers.csv is complete now"]
    assert f"Next: batch-issuer resume {summary.batch.batch}" in hook.told[0].body
    assert "- 6 not_sent: planned, and not sent yet" in hook.told[0].body


async def test_a_run_that_can_do_nothing_is_told_once_a_day_and_when_it_works_again(
    night: Night, hook: Webhook
) -> None:
    trouble = "the server refused the credentials (attempt 1 of 2)"
    await night.look(error=trouble)
    await night.look(error="the server refused the credentials (attempt 2 of 2)")
    night.later(days=1)
    await night.look(error=trouble)
    for _ in range(2):
        await night.look()

    trouble_told = "batch-issuer could not do its work"
    assert hook.subjects() == [trouble_told, trouble_told, "batch-issuer works again"]
    assert "the server refused the credentials" in hook.told[0].body


async def test_late_approvals_are_told_once_a_day_to_makers_and_checkers(
    night: Night, hook: Webhook, mail: MailServer
) -> None:
    night.world.overrides["notify_checkers"] = mail.address("checkers@example.com")
    summary = await night.issue(night.world.write(customers(7)), name="Spring")
    batch = summary.batch.batch
    night.later(hours=23)
    await night.look()
    assert hook.told == []
    night.later(hours=28)
    for _ in range(2):
        await night.look()

    subject = "waiting for a checker: 7 rows of 1 file, the oldest for 2 days 3 hours"
    assert hook.subjects() == [subject]
    assert "customers.csv (Spring): 7 rows in 3 requests, waiting for 2 days 3 hours" in hook.told[0].body
    assert f"Next: batch-issuer refresh {batch}" in hook.told[0].body
    checkers = only(mail.told())
    assert checkers.subject == subject
    assert f"batch-issuer decide {batch} approve --message" in checkers.body
    assert mail.recipients == [["checkers@example.com"]]
    night.later(days=1)
    await night.look()
    assert (len(hook.told), len(mail.mails)) == (2, 2)


async def test_a_batch_that_gets_late_on_the_same_day_is_told_alone(night: Night, hook: Webhook) -> None:
    await night.issue(night.world.write(customers(3), "first.csv"))
    night.later(hours=1)
    await night.issue(night.world.write(customers(3, first=710_000_001), "second.csv"))
    night.later(hours=23)
    await night.look()
    night.later(hours=1)
    await night.look()

    assert ["first.csv" in one.body for one in hook.told] == [True, False]
    assert ["second.csv" in one.body for one in hook.told] == [False, True]


async def test_approvals_are_never_late_where_the_setting_says_so(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify_pending_hours"] = 0
    await night.issue(night.world.write(customers(3)))
    night.later(days=9)
    await night.look()

    assert hook.told == []


async def test_batches_of_another_organisation_are_not_told(night: Night, hook: Webhook) -> None:
    await night.issue(night.world.write(customers(3)))
    night.later(days=2)
    night.world.overrides["org_id"] = "another"
    await night.look()

    assert hook.told == []


async def test_a_file_that_did_not_come_is_told_once_a_day_after_the_hour(
    night: Night, hook: Webhook
) -> None:
    night.world.overrides |= {"notify_no_file_by": "11:30", "timezone": "Europe/Berlin"}  # now it is 11:15
    await night.look()
    assert hook.told == []
    night.later(minutes=15)
    for _ in range(2):
        await night.look()
    assert hook.subjects() == ["no file came by 11:30"]
    night.later(days=1)
    await night.look()
    assert len(hook.told) == 2


@pytest.mark.parametrize("content", [customers(3), INVALID, ""])
async def test_a_file_that_came_is_not_missed(night: Night, hook: Webhook, content: str) -> None:
    night.world.overrides["notify_no_file_by"] = "11:30"
    try:
        await night.issue(night.world.write(content))
    except InputRefused:
        assert content == ""
    night.later(hours=2)
    await night.look()

    assert "no file came by 11:30" not in hook.subjects()


async def test_only_a_pass_over_an_inbox_misses_a_file(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify_no_file_by"] = "09:00"
    await night.issue(night.world.write(customers(3)))
    night.later(days=1)
    await night.refresh()

    assert "no file came by 09:00" not in hook.subjects()


@pytest.mark.parametrize("scenario", [Scenario(decide_after_seconds=0)])
async def test_the_digest_is_told_once_a_day_with_the_figures_of_the_day(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify_digest_at"] = "18:00"
    await night.issue(night.world.write(customers(5)))
    await night.issue(night.world.write(INVALID, "bad.csv"))
    with pytest.raises(InputRefused):
        await night.issue(night.world.write("", "empty.csv"))
    hook.told.clear()
    night.later(hours=8)
    for _ in range(2):
        await night.look()

    one = only(hook.told)
    assert one.subject == "2026-03-02: 1 file, 5 rows issued"
    assert "1 file accepted, 2 refused" in one.body
    assert "- 5 issued: the badge was issued" in one.body
    night.later(days=1)
    await night.look()
    assert hook.subjects()[1:] == ["2026-03-03: nothing happened"]


async def test_the_digest_names_what_waits_and_what_is_not_finished(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify_digest_at"] = "00:00"
    night.world.overrides["notify_pending_hours"] = 0
    waiting = await night.issue(night.world.write(customers(3), "waits.csv"))
    cut = await night.issue_in_part(night.world.write(customers(3, first=710_000_001), "cut.csv"))
    hook.told.clear()
    night.later(days=1)
    await night.look()

    one = only(hook.told)
    assert f"waits.csv: 3 rows for 1 day ({waiting.batch.batch})" in one.body
    assert f"- batch-issuer resume {cut.batch.batch}" in one.body


async def test_what_a_dead_channel_misses_is_told_later_and_never_twice_elsewhere(
    night: Night, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_webhook() as dead:
        night.world.overrides["notify"] = f"{hook.address()} {dead.address('/s3cretHookToken1')}"
        dead.status = 500
        summary = await night.issue(night.world.write(INVALID))
        assert summary.exit_code is ExitCode.INPUT_REFUSED
        assert (len(hook.told), len(dead.told)) == (1, 0)
        with caplog.at_level(logging.DEBUG):
            await night.look()
        assert "a channel did not take a notice" in _said(caplog)
        assert "s3cretHookToken1" not in _said(caplog)
        dead.status = 200
        for _ in range(2):
            await night.look()
        assert hook.subjects() == dead.subjects() == ["customers.csv was refused: nothing was sent"]


async def test_a_channel_that_fails_is_asked_once_in_a_run(night: Night, hook: Webhook) -> None:
    hook.status = 500
    files = [RefusedFile(name=f"{n}.csv", problem="empty") for n in range(4)]
    await night.look(refused=files)

    assert hook.calls == 1
    hook.status = 200
    await night.look()
    assert len(set(hook.subjects())) == 4


async def test_what_no_channel_took_for_a_week_is_no_news(night: Night, hook: Webhook) -> None:
    hook.status = 500
    await night.issue(night.world.write(INVALID))
    hook.status = 200
    night.later(days=8)
    await night.look()

    assert hook.told == []


async def test_a_channel_that_says_nothing_does_not_hold_the_run_up(night: Night) -> None:
    async with open_silent_server() as port:
        night.world.overrides["notify"] = f"mailto://127.0.0.1:{port}?from=a@example.com&to=b@example.com"
        async with asyncio.timeout(20):
            await night.look(refused=[RefusedFile(name="a.csv", problem="empty")], patience=0.2)


async def test_an_error_of_a_run_is_told_and_raised(night: Night, hook: Webhook) -> None:
    async def work(_services: object) -> None:
        raise NoPermission("the server refused the credentials")

    with pytest.raises(NoPermission):
        await night.world.run(lambda services: told(services, work))  # type: ignore[arg-type]  # it never returns
    assert hook.subjects() == ["batch-issuer could not do its work"]


async def test_two_processes_tell_once(night: Night, hook: Webhook) -> None:
    hook.status = 500
    await night.issue(night.world.write(INVALID))
    hook.status = 200
    await asyncio.gather(night.look(), night.look(), night.look())

    assert len(hook.told) == 1


async def test_a_mail_says_it_plainly_and_carries_the_rejects(night: Night, mail: MailServer) -> None:
    night.world.overrides["notify"] = mail.address()
    name = "<b>50% & *more*_\u202ecsv.csv"
    summary = await night.issue(night.world.write(INVALID, name))

    one = only(mail.told())
    assert one.subject == "%3Cb%3E50% %26 %2Amore%2A_\\u202ecsv.csv was refused: nothing was sent"
    assert "<b>" not in one.body.partition("1 row of")[2]
    assert one.attached["rejects.csv"] == (summary.folder / "rejects.csv").read_bytes()


async def test_a_file_is_attached_whatever_its_folder_is_called(night: Night, hook: Webhook) -> None:
    night.world.output = night.world.output / "50%20 & a;name=x.csv"
    summary = await night.issue(night.world.write(INVALID))

    assert only(hook.told).attached == {"rejects.csv": (summary.folder / "rejects.csv").read_bytes()}


async def test_nothing_is_attached_where_the_setting_says_so(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify_attach"] = False
    summary = await night.issue(night.world.write(INVALID))

    one = only(hook.told)
    assert one.attached == {}
    assert str(summary.folder.absolute()) in one.body


async def test_a_large_file_is_named_and_not_attached(night: Night, hook: Webhook, tmp_path: Path) -> None:
    large = tmp_path / "rejects.csv"
    large.write_bytes(b"x" * (5 * 1024**2 + 1))
    await night.look(refused=[RefusedFile(name="a.csv", problem="too much", attachment=large)])

    one = only(hook.told)
    assert one.attached == {}
    assert str(large) in one.body


async def test_a_redirect_is_not_followed(night: Night, hook: Webhook) -> None:
    async with open_webhook() as other:
        hook.redirect_to = f"http://127.0.0.1:{other.port}/"
        await night.look(refused=[RefusedFile(name="a.csv", problem="empty")])
        assert (hook.calls, other.calls) == (1, 0)


async def test_a_channel_that_nobody_knows_is_logged_without_its_address(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    night.world.overrides["notify"] = "nonsense://s3cret-Word-1/x"
    with caplog.at_level(logging.DEBUG):
        await night.issue(night.world.write(INVALID))

    assert "a channel did not take a notice" in _said(caplog)
    assert "s3cret-Word-1" not in _said(caplog)


async def test_a_secret_in_an_error_is_not_told(night: Night, hook: Webhook) -> None:
    secret = night.world.sandbox.credentials.maker_password
    await night.look(error=f"bad login by {secret}")

    assert secret not in only(hook.told).text
    assert "bad login by" in only(hook.told).body


async def test_no_secret_of_a_channel_is_in_the_ledger_or_in_a_file(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify"] = hook.address("/t0ken-of-the-hook").replace("//", "//me:hunter2pass@")
    await night.issue(night.world.write(INVALID))

    assert len(hook.told) == 1
    for path in night.world.output.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"hunter2pass" not in content
        assert b"t0ken-of-the-hook" not in content


@pytest.mark.parametrize("scenario", [Scenario(decide_after_seconds=0, holder_share=0.5)])
async def test_no_notice_names_a_customer(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify_digest_at"] = "00:00"
    await night.issue(night.world.write(customers(9)))
    await night.issue(night.world.write(INVALID, "bad.csv"), on_invalid="stop")

    assert len(hook.told) == 3
    assert not any(CUSTOMER.search(one.text) for one in hook.told)
    with sqlite3.connect(night.world.output / "ledger.db") as ledger:
        kept = str(ledger.execute("SELECT * FROM notices").fetchall())
    ledger.close()
    assert not CUSTOMER.search(kept)


async def test_without_channels_nothing_is_kept(night: Night, hook: Webhook) -> None:
    night.world.overrides["notify"] = None
    await night.issue(night.world.write(INVALID))

    assert hook.told == []
    with sqlite3.connect(night.world.output / "ledger.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM notices").fetchone() == (0,)
    ledger.close()
