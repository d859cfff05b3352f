"""What other systems can do with a token: bring files, follow runs, read batches, and act on them."""

from batch_issuer.accounts import Role
from tests.pipeline.world import World, customers, read_csv
from tests.web.callers import caller
from tests.web.site import Site


async def test_a_file_is_issued_and_followed_to_its_batch(site: Site, world: World) -> None:
    maker = await caller(site, Role.MAKER)
    started = await maker.create(customers(7), file_name="../may/spring.csv", name="spring")
    assert started.status == 202
    assert started.headers["Location"] == f"/api/runs/{started.json['run']}"
    ended = await maker.ended(started)
    assert (ended["state"], ended["exit_code"], ended["message"]) == ("ended", 0, "")
    batch = (await maker.get(f"/api/batches/{ended['batch']}")).json
    assert (batch["name"], batch["input"]["name"], batch["counts"]["pending"]) == ("spring", "spring.csv", 7)
    (listed,) = (await maker.get("/api/batches")).json["batches"]
    assert (listed["batch"], listed["issued_by"]) == (ended["batch"], "maker-system")
    files = (await maker.get(f"/api/batches/{ended['batch']}/files")).json["files"]
    assert [file["name"] for file in files] == [
        *("summary.json", "reconciliation.csv", "requests.csv", "report.html")
    ]
    file = await maker.get(files[1]["url"])
    folder = world.output / ended["batch"]
    assert file.body == (folder / "reconciliation.csv").read_bytes()
    assert len(read_csv(folder / "reconciliation.csv")) == len(file.body.splitlines()) - 1
