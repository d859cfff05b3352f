"""What only an engine of several processes can keep: workers come and go, and secrets stay where they are."""

import asyncio
import logging
import pickle
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from batch_issuer import __version__
from batch_issuer.clock import Clock
from batch_issuer.cluster import open_engine
from batch_issuer.cluster.connecting import check_versions
from batch_issuer.cluster.pieces import Done, Piece, do_piece
from batch_issuer.engine import each
from batch_issuer.errors import EngineUnavailable, Interrupted, SettingsError, UsageError
from batch_issuer.settings import Settings, secret_names
from batch_issuer.site import Site
from tests.cluster.processes import Cluster, free_port
from tests.contract.engine.conftest import LEDGER, settings_for
from tests.contract.engine.test_engine import until
from tests.contract.engine.works import (
    Note,
    die,
    die_the_first_time,
    go_on_for_ever,
    log_password,
    read_password,
)
from tests.pipeline.world import START, MovedTime

pytestmark = pytest.mark.cluster


async def test_a_piece_whose_worker_is_killed_is_done_again_and_lost_results_do_not_matter(
    cluster: Cluster, tmp_path: Path
) -> None:
    notes = [Note(path=tmp_path / "notes", number=n, seconds=0.05) for n in range(20)]
    async with open_engine(Site(settings_for(cluster))) as engine:
        assert [result async for result in each(engine, die_the_first_time, notes)] == [*range(20)]
    assert notes[0].left() == ["died"]


async def test_a_piece_that_kills_every_worker_is_given_up_in_words_that_help(cluster: Cluster) -> None:
    async with open_engine(Site(settings_for(cluster))) as engine:
        with pytest.raises(EngineUnavailable, match=r"4 workers of dask://.* died .* more memory"):
            await engine.run(die, None)


async def test_the_width_follows_the_workers(cluster: Cluster) -> None:
    async with open_engine(Site(settings_for(cluster))) as engine:
        await until(lambda: engine.width == 2)
        third = await asyncio.to_thread(cluster.start_worker, "third")
        await until(lambda: engine.width == 3)
        third.send(signal.SIGTERM)
        await until(lambda: engine.width == 2)


async def test_a_piece_goes_to_another_worker_when_its_own_is_asked_to_end(tmp_path: Path) -> None:
    note = Note(path=tmp_path / "notes")
    with Cluster(folder=tmp_path) as own:
        await asyncio.to_thread(own.start, workers=1)
        async with open_engine(Site(settings_for(own))) as engine:
            working = asyncio.create_task(engine.run(go_on_for_ever, note))
            await until(lambda: note.left() == ["begun"])
            await asyncio.to_thread(own.start_worker, "another")
            own.members["worker-0"].send(signal.SIGTERM)
            await until(lambda: note.left().count("begun") == 2)
            assert not working.done()
            working.cancel()
            await asyncio.wait({working})


SECRETS = {
    "password": "hunter2-Pa55word",
    "client_key": "hunter2-key",
    "client_secret": "hunter2-client",
    "ui_auth_token": "hunter2-token",
    "intouch_authorization": "Basic hunter2",
    "checker_password": "hunter2-checker",
    "checker_client_key": "hunter2-checker-key",
    "checker_client_secret": "hunter2-checker-secret",
    "checker_ui_auth_token": "hunter2-checker-token",
    "notify": "json://hunter2@127.0.0.1",
    "notify_checkers": "json://hunter2@127.0.0.1",
    "ledger": LEDGER.replace("postgres@", "postgres:hunter2@"),
}


def test_no_secret_is_in_what_travels() -> None:
    known = {name for name in secret_names() if name != "secret_key"}
    assert known <= set(SECRETS), "say a value for the new secret"
    settings = Settings.model_validate({"username": "hunter", **SECRETS})
    piece = Piece(
        key="key",
        work=read_password,
        item=Site(settings),
        waits=False,
        site=Site(settings),
        log_format="text",
        verbosity=0,
    )
    assert b"hunter2" not in piece.packed()
    assert b"hunter2" in pickle.dumps(SECRETS)


async def test_a_worker_takes_the_secrets_of_its_own_place(cluster: Cluster) -> None:
    settings = settings_for(cluster, password="the-clients")
    async with open_engine(Site(settings)) as engine:
        assert await engine.run(read_password, Site(settings)) == "the-workers-own"


async def test_a_worker_logs_as_the_command_does_and_keeps_its_secrets(cluster: Cluster) -> None:
    settings = settings_for(cluster)
    async with open_engine(Site(settings), log_format="json") as engine:
        await engine.run(log_password, Site(settings))
    logs = [member.told() for member in cluster.members.values()]
    (line,) = (line for log in logs for line in log.splitlines() if '"event": "a secret"' in line)
    assert '"level": "warning"' in line
    assert '"reason": "**********"' in line
    assert not any("the-workers-own" in log for log in logs)


async def test_a_worker_whose_ledger_is_another_says_so(cluster: Cluster) -> None:
    async with open_engine(
        Site(settings_for(cluster, ledger="postgresql://u:secret@127.0.0.1/other"))
    ) as engine:
        with pytest.raises(SettingsError, match=r"on worker .*the ledger here is .*, and not") as raised:
            await engine.run(read_password, Site(settings_for(cluster)))
    assert "secret" not in str(raised.value)


async def test_a_worker_of_another_version_is_refused_by_its_name_and_both_versions(
    tmp_path: Path, cluster: Cluster
) -> None:
    old = tmp_path / "old" / "batch_issuer-0.0.9.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: batch_issuer\nVersion: 0.0.9\n")
    path = f"{tmp_path / 'old'}:{Path.cwd()}"
    other = await asyncio.to_thread(cluster.start_worker, "other", environment={"PYTHONPATH": path})
    try:
        with pytest.raises(UsageError, match=r"the worker at tcp.* has batch_issuer 0\.0\.9, and this is"):
            async with open_engine(Site(settings_for(cluster))):
                pass
    finally:
        other.kill()


async def test_a_worker_refuses_work_of_another_version() -> None:
    done = Done.unpacked(await do_piece("0.0.9", b"not ours to read"))
    assert isinstance(done.error, UsageError)
    assert f"has batch_issuer {__version__}, and this is batch_issuer 0.0.9" in str(done.error)


def test_a_scheduler_without_the_package_or_with_another_dask_is_refused() -> None:
    here = {"batch_issuer": "1", "python": "3.11.7", "distributed": "2", "dask": "2"}
    for theirs, words in (
        ({**here, "batch_issuer": None}, "the scheduler at dask://s:1 has no batch_issuer, and this is"),
        ({**here, "dask": "3"}, "the scheduler at dask://s:1 has dask 3, and here is dask 2"),
    ):
        found = {"client": {"packages": here}, "scheduler": {"packages": theirs}, "workers": {}}
        with pytest.raises(UsageError, match=words):
            check_versions(found, "dask://s:1")


async def test_where_no_scheduler_answers_it_is_told_what_to_do(cluster: Cluster) -> None:
    nobody = f"dask://127.0.0.1:{free_port()}"
    with pytest.raises(EngineUnavailable, match=f"no scheduler answers at {nobody} .*start it.*resume"):
        async with open_engine(Site(settings_for(cluster, engine=nobody)), connect_seconds=0.5):
            pass


async def test_a_stop_is_heard_while_no_worker_is_there(tmp_path: Path) -> None:
    stopping = asyncio.Event()
    with Cluster(folder=tmp_path) as empty:
        await asyncio.to_thread(empty.start_scheduler)
        asyncio.get_running_loop().call_later(0.3, stopping.set)
        with pytest.raises(Interrupted, match=r"before there was a worker of dask://"):
            async with open_engine(Site(settings_for(empty)), stopping=stopping):
                pass


async def test_where_no_worker_comes_it_says_so_and_gives_up_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("batch_issuer"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="batch_issuer")
    time = MovedTime()
    clock = Clock(uptime=time.seconds, tick=time.sleep)
    with Cluster(folder=tmp_path) as empty:
        await asyncio.to_thread(empty.start_scheduler)
        with pytest.raises(EngineUnavailable, match="no worker has been there for 5 minutes"):
            async with open_engine(Site(settings_for(empty), clock=clock)):
                pass
    # what is heard twice, as other tests have left a handler, was told once
    waiting = {id(record) for record in caplog.records if record.getMessage() == "waiting for workers"}
    assert len(waiting) == 1
    assert time.instant >= START + timedelta(minutes=5)


async def test_work_ends_in_order_when_the_scheduler_is_killed(tmp_path: Path) -> None:
    note = Note(path=tmp_path / "notes")
    with Cluster(folder=tmp_path) as own:
        await asyncio.to_thread(own.start, workers=1)
        async with open_engine(Site(settings_for(own))) as engine:
            working = asyncio.create_task(engine.run(go_on_for_ever, note))
            await until(lambda: note.left() == ["begun"])
            own.members["scheduler"].kill()
            with pytest.raises(EngineUnavailable, match=r"was lost .*scheduler and workers run"):
                await working
            with pytest.raises(EngineUnavailable):
                await engine.run(go_on_for_ever, note)


async def test_a_network_engine_needs_a_ledger_on_a_server(tmp_path: Path, cluster: Cluster) -> None:
    settings = settings_for(cluster, ledger=f"sqlite:///{tmp_path / 'ledger.db'}")
    with pytest.raises(UsageError, match=r"needs a ledger that all its workers reach.*PostgreSQL"):
        async with open_engine(Site(settings)):
            pass
