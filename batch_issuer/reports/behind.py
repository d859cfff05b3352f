"""Makes lines and writes them, in order, while their caller looks the next rows up."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

from batch_issuer.reports.cells import content
from batch_issuer.reports.files import CsvLines

_UNDER_WAY: Final = 2


class LinesBehind:
    """Writes lines to a file in the order in which they are asked for; few of them are in memory."""

    def __init__(self, file: CsvLines, maker: Executor, writer: Executor) -> None:
        """Take two executors of one thread each."""
        self._file, self._maker, self._writer = file, maker, writer
        self._under_way: deque[Future[None]] = deque()

    def __call__(self, make: Callable[[], pa.Array], count: int) -> None:
        """Have lines made and written. Raises what writing earlier ones has raised."""
        self._wait(_UNDER_WAY - 1)
        self._under_way.append(self._writer.submit(self._write, self._maker.submit(make), count))

    def finish(self) -> None:
        """Wait for all lines to be written. Raises what that raises."""
        self._wait(0)

    def _write(self, made: Future[pa.Array], count: int) -> None:
        self._file.content(content(made.result()), count)
        self._file.sync()

    def _wait(self, left: int) -> None:
        while len(self._under_way) > left:
            self._under_way.popleft().result()


@contextmanager
def writing_behind(file: CsvLines) -> Iterator[LinesBehind]:
    """Yield what writes lines to a file; at the end all are written."""
    with (
        ThreadPoolExecutor(1, thread_name_prefix="make lines") as maker,
        ThreadPoolExecutor(1, thread_name_prefix="write lines") as writer,
    ):
        lines = LinesBehind(file, maker, writer)
        yield lines
        lines.finish()
