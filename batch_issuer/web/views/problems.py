"""The third step: what is wrong with which rows, what to do, and cells that are corrected on the spot."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from batch_issuer.batch.problems import WORDING, InputProblem, Rule
from batch_issuer.batch.requests import OWNER_TYPES
from batch_issuer.errors import UsageError
from batch_issuer.intake import COLUMNS
from batch_issuer.ledger.audit import Action
from batch_issuer.ledger.uploads import Upload
from batch_issuer.uploads import SHOWN_ROWS, Checked, Choices, ProblemRow, Sample, Wanted
from batch_issuer.web.downloads import send_file
from batch_issuer.web.rendering import is_part, render, see_other
from batch_issuer.web.routes import MAKER, get, post
from batch_issuer.web.views.columns import WORDS
from batch_issuer.web.views.uploads import page_of, upload_of, uploads_of
from batch_issuer.web.visitors import note

_ROWS: Final = 50
_MOST_SEARCHED: Final = 200
_MOST_SURPLUS: Final = 5
_LAST_ROW: Final = 4_294_967_295
_LAST_CELL: Final = 2**31 - 1
_PAIR: Final = ("owner_type", "reference_id")
_TOGETHER: Final = {
    Rule.OWNER_WITHOUT_REFERENCE: _PAIR,
    Rule.REFERENCE_WITHOUT_OWNER: _PAIR,
    Rule.BADGE: ("badge_meta_id", "owner_type", "issue_event_date"),
}
"""Columns of which any may be the one to correct."""
_NUMBER: Final = re.compile("[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell as the page shows it."""

    label: str
    column: str
    """Which of ours it is; none of a surplus cell."""
    position: int | None
    """Where in the row it stands; None where the file has no such column."""
    read: str
    value: str
    """What was read, or what it was corrected to."""
    is_corrected: bool
    is_editable: bool
    """Whether it is wrong, or may be what is wrong with another."""
    problems: tuple[InputProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """An invalid row as the page shows it."""

    row: int
    cells: tuple[Cell, ...]
    surplus: tuple[Cell, ...]
    of_row: tuple[InputProblem, ...]
    """Problems of the row, and of no cell of ours."""


def shown_row(found: ProblemRow, sample: Sample, corrected: Mapping[int, str]) -> ShownRow:
    """Lay an invalid row out by our columns, with what has been corrected in it."""
    titles = sample.sheet.titles
    place = {column: titles.index(title) for column, title in sample.columns.items() if title}

    concerned = {column for one in found.problems for column in (one.column, *_TOGETHER.get(one.rule, ()))}

    def cell(at: int | None, label: str, column: str = "") -> Cell:
        read = found.cells[at] if at is not None and at < len(found.cells) else ""
        problems = tuple(one for one in found.problems if column and one.column == column)
        value = read if at is None else corrected.get(at, read)
        is_corrected = at in corrected
        return Cell(
            label=label,
            column=column,
            position=at,
            read=read,
            value=value,
            is_corrected=is_corrected,
            is_editable=is_corrected or not column or column in concerned,
            problems=problems,
        )

    surplus = [at for at in range(len(titles), len(found.cells)) if found.cells[at].strip()][:_MOST_SURPLUS]
    return ShownRow(
        row=found.row,
        cells=tuple(cell(place.get(column), WORDS[column][0], column) for column in COLUMNS),
        surplus=tuple(cell(at, f"cell {at + 1}") for at in surplus),
        of_row=tuple(one for one in found.problems if not one.column),
    )


async def show_problems(request: web.Request) -> web.Response:
    """Show rules with counts, and invalid rows."""
    upload = await upload_of(request)
    checked = await uploads_of(request).checked(upload)
    if checked is None or checked.failure:
        return see_other(page_of(upload, "check" if checked is None else "columns"))
    return await _page(request, upload, checked)


async def _page(
    request: web.Request, upload: Upload, checked: Checked, *, problem: str = "", status: int = 200
) -> web.Response:
    uploads, query = uploads_of(request), request.query
    wanted = Wanted(
        rule=query.get("rule", ""),
        column=query.get("column", ""),
        text=query.get("text", "")[:_MOST_SEARCHED],
    )
    shows_all, after = query.get("show") == "all", _number(query.get("after", ""))
    page = (
        await uploads.all_rows(upload, after=after, limit=_ROWS)
        if shows_all
        else await uploads.problems(upload, wanted, after=after, limit=_ROWS)
    )
    sample = await uploads.sample(upload, rows=0)
    corrected = await _corrected(request, upload, [one.row for one in page.rows])
    asked = {name: value for name, value in asdict(wanted).items() if value}
    if shows_all:
        asked = {"show": "all"}
    return render(
        request,
        "upload_problems.html.j2",
        status=status,
        upload=upload,
        checked=checked,
        choices=Choices.of(upload),
        rows=[shown_row(one, sample, corrected.get(one.row, {})) for one in page.rows],
        wanted=wanted,
        shows_all=shows_all,
        shown_rows=SHOWN_ROWS,
        is_filtered=bool(asked),
        is_first="after" not in query,
        first=f"?{urlencode(asked)}",
        more=f"?{urlencode({**asked, 'after': page.next_after})}" if page.next_after else "",
        here=request.path_qs,
        columns=WORDS,
        owner_types=OWNER_TYPES,
        wording={rule.value: WORDING[rule][0] for rule in Rule},
        problem=problem,
        corrections=await uploads.count_corrections(upload),
    )


async def _corrected(request: web.Request, upload: Upload, rows: list[int]) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = {}
    for one in await uploads_of(request).corrections(upload, rows) if rows else ():
        found.setdefault(one.row, {})[one.position] = one.value
    return found


async def correct_cell(request: web.Request) -> web.Response:
    """Write another value into a cell, or take that back."""
    upload, uploads = await upload_of(request), uploads_of(request)
    form = {name: str(value) for name, value in (await request.post()).items()}
    row = _number(form.get("row", ""))
    position = min(_number(form.get("position", ""), otherwise=-1), _LAST_CELL)
    problem = ""
    try:
        if form.get("undo"):
            await uploads.undo(upload, row=row, position=position)
        else:
            await uploads.correct(upload, row=row, position=position, value=form.get("value", ""))
        await note(
            request, Action.CELL_CORRECTED, about=upload.upload, detail={"row": row, "cell": position + 1}
        )
    except UsageError as exc:
        problem = f"{exc}."
    if is_part(request):
        return await _row_part(request, upload, row, problem)
    if problem:
        raise web.HTTPUnprocessableEntity(text=problem)
    return see_other(f"{_back(upload, form.get('back', ''))}#row-{row}")


async def _row_part(request: web.Request, upload: Upload, row: int, problem: str) -> web.Response:
    uploads = uploads_of(request)
    found = await uploads.problem_row(upload, row)
    if found is None:
        raise web.HTTPConflict(text="This row was checked anew meanwhile; load the page again.")
    corrected = await _corrected(request, upload, [row])
    shown = shown_row(found, await uploads.sample(upload, rows=0), corrected.get(row, {}))
    checked, corrections = await uploads.checked(upload), await uploads.count_corrections(upload)
    return render(
        request,
        "upload_row_part.html.j2",
        status=422 if problem else 200,
        upload=upload,
        row=shown,
        here="",
        problem=problem,
        checked=checked,
        corrections=corrections,
    )


async def choose_invalid(request: web.Request) -> web.Response:
    """Decide whether invalid rows keep all others from being sent."""
    upload = await upload_of(request)
    form = {name: str(value) for name, value in (await request.post()).items()}
    choices = replace(
        Choices.of(upload),
        on_invalid="skip" if form.get("on_invalid") == "skip" else "stop",
        max_invalid=form.get("max_invalid", "").strip() or "10%",
    )
    try:
        upload = await uploads_of(request).choose(upload, choices)
    except UsageError as exc:
        checked = await uploads_of(request).checked(upload)
        if checked is None:
            raise
        return await _page(request, upload, checked, problem=f"{exc}.", status=422)
    detail: dict[str, object] = {"on_invalid": choices.on_invalid, "max_invalid": choices.max_invalid}
    await note(request, Action.CHECKED, about=upload.upload, detail=detail)
    uploads_of(request).check(upload)
    return see_other(page_of(upload, "check"))


async def download_rejects(request: web.Request) -> web.StreamResponse:
    """Give the invalid rows as a file to correct elsewhere."""
    upload = await upload_of(request)
    path = uploads_of(request).rejects(upload)
    await note(request, Action.FILE_DOWNLOADED, about=upload.upload, detail={"file": "rejects.csv"})
    return send_file(path, name="rejects.csv")


def _back(upload: Upload, given: str) -> str:
    """Return to the page of problems that the form stood on, and to no other."""
    here = page_of(upload, "problems")
    return given if given == here or (given.startswith(f"{here}?") and given.isprintable()) else here


def _number(text: str, *, otherwise: int = 0) -> int:
    """Read the number of a row or a cell; what is none is read as another."""
    return min(int(text), _LAST_ROW) if _NUMBER.fullmatch(text) else otherwise


ROUTES: Final = (
    get("/uploads/{upload}/problems", show_problems, MAKER),
    get("/uploads/{upload}/rejects.csv", download_rejects, MAKER),
    post("/uploads/{upload}/cells", correct_cell, MAKER),
    post("/uploads/{upload}/invalid", choose_invalid, MAKER),
)
