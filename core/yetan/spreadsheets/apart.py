"""Reading an uploaded table in a process of its own, with an end and a ceiling (C25).

Whatever a file does to its reader, the server's event loop keeps turning: the child has a limit on memory and
on processor time, and is killed when its time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sys
from pathlib import Path

from yetan.spreadsheets.headings import Columns
from yetan.spreadsheets.reading import read_table
from yetan.spreadsheets.table import SpreadsheetError, Table

#: Seconds a file may take, by the clock; its processor time is capped a little below. The largest table within the
#: limits of `TableLimits` takes about a third of it.
SECONDS = 40
#: Bytes of address space of the child.
MEMORY = 1536 * 1024 * 1024


async def read_table_apart(
    path: Path, *, filename: str, columns: Columns | None = None, seconds: float = SECONDS
) -> Table:
    """As `read_table`, in a child process that is given up after `seconds`. Raises SpreadsheetError."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await child.communicate(pickle.dumps((path, filename, columns)))
    except TimeoutError:
        raise _too_much(filename) from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode != 0:
        raise _too_much(filename)
    # The answer comes from this very module, run by this very program.
    read: Table | str = await asyncio.to_thread(pickle.loads, answer)
    if isinstance(read, str):
        raise SpreadsheetError(read)
    return read


def _too_much(filename: str) -> SpreadsheetError:
    return SpreadsheetError(
        f"“{filename}”太大或太复杂，在限定的时间和内存里读不完。请删去多余的行列和格式，或拆成几份再上传。"
    )


def _read_one() -> None:
    """The child: limits first, then the file named on standard input; the table, or the reason, on standard output."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS - 5, SECONDS))
    path, filename, columns = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent
    try:
        read: Table | str = read_table(path, filename=filename, columns=columns)
    except SpreadsheetError as error:
        read = error.message
    sys.stdout.buffer.write(pickle.dumps(read))


if __name__ == "__main__":
    _read_one()
