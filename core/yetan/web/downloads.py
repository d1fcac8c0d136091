"""Answers that a browser keeps as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from anyio import to_thread
from starlette.responses import Response

from yetan.runtime import current
from yetan.spreadsheets import Cell, write_xlsx
from yetan.web.request import Request

#: The media type of Excel files.
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def spreadsheet(name: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A table as an Excel file called `name`, without its ending. It is written beside the event loop."""
    data = await to_thread.run_sync(write_xlsx, headings, rows)
    return Response(data, media_type=XLSX, headers=attached(f"{name}.xlsx"))


async def listed(
    request: Request, noun: str, name: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> Response:
    """A list as an Excel file, called by its `name` and the day. Of the page, which is declared `sensitive`, it is
    recorded how many of what (`noun`) were taken."""
    request.looked_at = f"{noun}: {len(rows)}"
    return await spreadsheet(f"{name}-{current().calendar.local_date(request.act.now):%Y%m%d}", headings, rows)


def attached(name: str) -> Mapping[str, str]:
    """The headers that have an answer kept as the file `name`; the plain name is for old browsers."""
    plain = "table." + name.rpartition(".")[2]
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"}
