"""Pages from templates: every text is escaped, numbers and times are for the reader's browser to localise."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from aiohttp import hdrs, web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from batch_issuer import __version__
from batch_issuer.accounts import Role
from batch_issuer.reports import OUTCOME_WORDS
from batch_issuer.web.console import console_of
from batch_issuer.web.static_files import static_url
from batch_issuer.web.visitors import VISITOR
from batch_issuer.web.wording import for_browsers

_HTML: Final = "text/html"


def render(request: web.Request, template: str, *, status: int = 200, **facts: object) -> web.Response:
    """Answer with a page, or with a part of one where htmx asks for a part."""
    text = render_text(request, template, **facts)
    return web.Response(text=text, content_type=_HTML, charset="utf-8", status=status)


def render_text(request: web.Request, template: str, **facts: object) -> str:
    """Return a page, or a part of one, as text."""
    return environment().get_template(template).render({**_common(request), **facts})


def see_other(path: str) -> web.Response:
    """Send the browser on to another page, as is done after a form."""
    return web.Response(status=303, headers={hdrs.LOCATION: path})


def is_part(request: web.Request) -> bool:
    """Tell whether htmx asks for a part of the page."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def _common(request: web.Request) -> Mapping[str, Any]:
    console, visitor = console_of(request), request.get(VISITOR)
    return {
        "visitor": visitor,
        "csrf": visitor.csrf if visitor is not None else "",
        "environment": console.environment,
        "base_url": console.settings.base_url or "",
        "path": request.path,
        "version": __version__,
    }


@cache
def environment() -> Environment:
    """Return the templates, with our filters."""
    made = Environment(
        loader=PackageLoader("batch_issuer.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = _number
    made.filters["time"] = _time
    made.filters["size"] = _size
    made.filters["duration"] = _duration
    made.filters["plainly"] = for_browsers
    made.globals.update({"static": static_url, "Role": Role, "OUTCOME_WORDS": OUTCOME_WORDS})
    return made


def _number(value: float) -> Markup:
    return Markup('<data class="number" value="{}">{}</data>').format(value, f"{value:,}")


def _time(value: str) -> Markup:
    """Write a time of the ledger; nothing for one that has not come yet."""
    if not value:
        return Markup("")
    shown = value.replace("T", " ").removesuffix("Z")[:16]
    return Markup('<time datetime="{}">{} UTC</time>').format(value, shown)


def _size(value: int) -> str:
    size = float(value)
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:  # noqa: PLR2004 - SI units
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _duration(seconds: float) -> str:
    """Write how long something takes, as one would say it."""
    if seconds < 1:
        return "less than a second"
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    raise AssertionError(seconds)
