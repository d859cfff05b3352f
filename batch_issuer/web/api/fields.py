"""How the API reads what a caller gives: every field by name, once, and all that is wrong told at once."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar, get_origin

from multidict import MultiMapping
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from batch_issuer.web.failing import FieldProblem, WrongFields

M = TypeVar("M", bound=BaseModel)
_WHOLE_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f]*$"


class Given(BaseModel):
    """What a caller may give; nothing beside it, so that a misspelt name is told and not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _whole(value: object) -> object:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) is None:
        raise ValueError("write it as a whole number, like 25")
    return value


def _truth(value: object) -> object:
    if isinstance(value, str):
        if value not in {"true", "false"}:
            raise ValueError("write true or false")
        return value == "true"
    return value


WHOLE: Final = BeforeValidator(_whole)
"""Reads a whole number; it stands behind the limits of a field, or the document would not tell those."""
Truth = Annotated[bool, BeforeValidator(_truth)]
Text = Annotated[str, StringConstraints(max_length=200, pattern=_NO_CONTROLS)]
"""A line of text, without control characters."""


def read_fields(model: type[M], given: MultiMapping[str], *, where: str) -> M:
    """Read what came in a query or a form. Raises WrongFields with everything that is wrong."""
    problems, values = [], dict[str, Any]()
    for name in dict.fromkeys(given):
        field = model.model_fields.get(name)
        if field is None:
            known = ", ".join(model.model_fields) or "none"
            problems.append(FieldProblem(field=name[:64], message=f"is not known; those known are: {known}"))
        elif get_origin(field.annotation) is list:
            values[name] = given.getall(name)
        elif len(given.getall(name)) > 1:
            problems.append(FieldProblem(field=name, message="is given more than once"))
        else:
            values[name] = given[name]
    try:
        read = model.model_validate(values)
    except ValidationError as exc:
        raise WrongFields([*problems, *_problems(exc)], where=where) from None
    if problems:
        raise WrongFields(problems, where=where)
    return read


def read_document(model: type[M], given: object, *, where: str) -> M:
    """Read what came as JSON. Raises WrongFields."""
    if not isinstance(given, Mapping):
        raise WrongFields([FieldProblem(field="", message="write an object, like {}")], where=where)
    try:
        return model.model_validate(given, strict=True)
    except ValidationError as exc:
        raise WrongFields(_problems(exc), where=where) from None


def _problems(exc: ValidationError) -> list[FieldProblem]:
    errors = exc.errors(include_url=False, include_input=False, include_context=False)
    return [
        FieldProblem(
            field=".".join(map(str, error["loc"]))[:64], message=error["msg"].removeprefix("Value error, ")
        )
        for error in errors
    ]
