"""Where a ledger's file may lie: on disks of this machine, as far as the kernel tells."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_issuer.errors import UsageError
from batch_issuer.ledger import open_ledger
from batch_issuer.ledger.databases import file_systems
from batch_issuer.ledger.databases.file_systems import network_kind

TABLE = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
30 22 0:40 / /srv rw shared:7 master:2 - nfs4 files.example.com:/export rw,vers=4.2
31 30 254:1 / /srv/local rw - ext4 /dev/vdb rw
32 22 0:41 /team /data/our\040team\134s rw - cifs //files.example.com/team rw
33 22 0:42 / /mnt/mac rw - virtiofs mac rw
34 22 0:43 / /mnt/unknown rw - fuse.somebodys source rw
35 22 0:44 / /mnt/ssh rw - fuse.sshfs me@example.com: rw
36 22 254:0 /data /mnt/ssh/bound rw - ext4 /dev/vda rw
37 22 0:45 / /mnt/ssh rw - fuse.somebodys later rw
"""
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=5)
FOLDERS = st.lists(NAMES.filter(lambda name: name not in {".", ".."}), max_size=4)


def line(point: PurePosixPath, kind: str) -> str:
    written = "".join(f"\\{ord(char):03o}" if char in " \t\n\\" else char for char in str(point))
    return f"36 35 98:0 / {written} rw,noatime master:1 - {kind} source rw"


def is_there(path: Path) -> bool:
    return path.exists()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/ledger.db", None),
        ("/srv/ledger.db", "nfs4"),
        ("/srv/a/b/ledger.db", "nfs4"),
        ("/srv/local/ledger.db", None),
        ("/srv/locally/ledger.db", "nfs4"),
        ("/srvs/ledger.db", None),
        (r"/data/our team\s/ledger.db", "cifs"),
        ("/data/our team/ledger.db", None),
        ("/mnt/mac/ledger.db", None),
        ("/mnt/unknown/ledger.db", None),
        ("/mnt/ssh/ledger.db", None),
        ("/mnt/ssh/bound/ledger.db", None),
    ],
)
def test_the_innermost_mount_tells_the_kind(path: str, kind: str | None) -> None:
    assert network_kind(Path(path), TABLE) == kind


@pytest.mark.parametrize(
    "table", ["", "\n", "nonsense", "1 2 3 - nfs x rw", "36 35 98:0 / / rw shared:1 nfs"]
)
def test_nothing_is_told_from_a_table_that_says_nothing(table: str) -> None:
    assert network_kind(Path("/srv/ledger.db"), table) is None


@given(above=FOLDERS, below=FOLDERS)
def test_a_mount_holds_whatever_lies_below_it_however_it_is_named(above: list[str], below: list[str]) -> None:
    point = PurePosixPath("/", *above)
    table = "\n".join([line(PurePosixPath("/"), "ext4"), line(point, "nfs")])
    assert network_kind(Path(point, *below, "ledger.db"), table) == "nfs"


@given(one=FOLDERS, name=NAMES, other=FOLDERS)
def test_a_mount_holds_nothing_else(one: list[str], name: str, other: list[str]) -> None:
    inside, outside = PurePosixPath("/", *one, f"{name}x"), PurePosixPath("/", *one, f"{name}y")
    table = "\n".join([line(PurePosixPath("/"), "ext4"), line(inside, "nfs")])
    assert network_kind(Path(outside, *other, "ledger.db"), table) is None


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tell that a folder which is not there yet is a mount of a server."""
    point = tmp_path / "share"
    table = tmp_path / "mountinfo"
    table.write_text("\n".join([line(PurePosixPath("/"), "ext4"), line(PurePosixPath(point), "nfs4")]))
    monkeypatch.setattr(file_systems, "_MOUNTS", table)
    return point


async def test_a_ledger_on_a_network_file_system_is_refused_with_a_way_out(mounted: Path) -> None:
    with pytest.raises(UsageError, match=r"ledger\.db .*\(nfs4\).* local disk .*--ledger postgresql://"):
        async with open_ledger(f"sqlite:///{mounted}/new/ledger.db"):
            pass
    assert not is_there(mounted)


async def test_a_link_does_not_hide_a_network_file_system(mounted: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(mounted)
    with pytest.raises(UsageError, match="network file system"):
        async with open_ledger(f"sqlite:///{tmp_path}/link/ledger.db"):
            pass


async def test_where_the_system_tells_nothing_nothing_is_refused(
    mounted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_systems, "_MOUNTS", tmp_path / "missing")
    async with open_ledger(f"sqlite:///{mounted}/ledger.db"):
        pass
