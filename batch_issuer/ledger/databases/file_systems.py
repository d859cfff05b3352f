"""Tells what kind of file system holds a path, from the kernel's table of mounts."""

import os
import re
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_SHARED: Final = frozenset(
    {
        # files of a server
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncp", "ncpfs", "afs", "coda", "davfs"),
        # files of a cluster: coherent in themselves, but the memory that SQLite shares is of one machine
        *(
            "ceph",
            "lustre",
            "gfs",
            "gfs2",
            "ocfs2",
            "gpfs",
            "beegfs",
            "glusterfs",
            "orangefs",
            "pvfs2",
            "panfs",
        ),
        # the same, by a program in between; those it does not name are let through: most are local
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs", "fuse.davfs2"),
        *("fuse.s3fs", "fuse.rclone", "fuse.goofys", "fuse.gcsfuse", "fuse.blobfuse", "fuse.blobfuse2"),
        *("fuse.juicefs", "fuse.mfs", "fuse.curlftpfs", "fuse.smbnetfs", "fuse.gvfsd-fuse"),
    }
)


def mounts() -> str:
    """Return the kernel's table of mounts, empty where there is none to read."""
    try:
        return os.fsdecode(_MOUNTS.read_bytes())
    except OSError:
        return ""


def network_kind(path: Path, mountinfo: str) -> str | None:
    """Name the network file system that holds an absolute path free of links, or None for any other."""
    kind = _kind_at(path, mountinfo)
    return kind if kind in _SHARED else None


def _kind_at(path: Path, mountinfo: str) -> str | None:
    """Return the kind of the innermost mount above a path; of two at one place, the later hides the other."""
    depth, found = 0, None
    for line in mountinfo.split("\n"):
        fields, separator, source = line.partition(" - ")
        columns = fields.split(" ")
        if not separator or len(columns) < 5:  # noqa: PLR2004 - id, parent, device, root, and where it is mounted
            continue
        point = Path(_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), columns[4]))
        if path.is_relative_to(point) and len(point.parts) >= depth:
            depth, found = len(point.parts), source.partition(" ")[0]
    return found
