"""Works a folder for schedulers: issues each complete file once, and moves it, its reports beside it."""

from batch_issuer.inbox.defaults import FolderDefaults, read_defaults
from batch_issuer.inbox.folder import Completeness, check_folder
from batch_issuer.inbox.one_pass import work_folder
from batch_issuer.inbox.results import FileResult, PassResult
from batch_issuer.inbox.telling import work_folder_and_tell
from batch_issuer.inbox.watching import tell_of_files, watch
from batch_issuer.inbox.work import PassOptions

__all__ = [
    "Completeness",
    "FileResult",
    "FolderDefaults",
    "PassOptions",
    "PassResult",
    "check_folder",
    "read_defaults",
    "tell_of_files",
    "watch",
    "work_folder",
    "work_folder_and_tell",
]
