"""How the API reads what a caller gives: every field by name, once, and all that is wrong told at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, get_origin

from multidict import MultiMapping
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from batch_issuer.web.failing import FieldProblem, RepeatedFields, WrongFields

M = TypeVar("M", bound=BaseModel)
_WHOLE_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_WORDS: Final = {
    "extra_forbidden": "is not known",
    "missing": "is missing",
    "string_type": "must be text",
    "string_unicode": "is no text",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "must not be empty",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
"""What is wrong with a field, in plain words."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a text must be written: as a pattern for the document, and in words for who got it wrong."""

    pattern: str
    told: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the text behind what else is asked of it."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell the pattern."""
        return {**handler(schema), "pattern": self.pattern}

    def _check(self, text: str) -> str:
        text = text.removesuffix("\n")  # `$` stands before it: the document can't forbid it
        if re.search(self.pattern, text) is None or text.endswith("\n"):
            raise ValueError(self.told)
        return text


Text = Annotated[
    str,
    StringConstraints(max_length=200),
    Written(pattern=r"^[^\x00-\x1f\x7f]*$", told="must be one line, without control characters"),
]


def read_fields(model: type[M], given: MultiMapping[str], *, where: str) -> M:
    """Read what came in a query or a form.

    Raises WrongFields with everything that is wrong, and RepeatedFields where a form repeats and no more.
    """
    problems, repeated, values = list[FieldProblem](), list[FieldProblem](), dict[str, Any]()
    for name in dict.fromkeys(given):
        field = model.model_fields.get(name)
        if field is None:
            known = ", ".join(model.model_fields) or "none"
            problems.append(FieldProblem(field=name[:64], message=f"is not known; those known are: {known}"))
        elif get_origin(field.annotation) is list:
            values[name] = given.getall(name)
        elif len(given.getall(name)) > 1:
            repeated.append(FieldProblem(field=name, message="is given more than once"))
        else:
            values[name] = given[name]
    try:
        read = model.model_validate(values)
    except ValidationError as exc:
        raise WrongFields([*problems, *repeated, *_problems(exc)], where=where) from None
    if problems:
        raise WrongFields([*problems, *repeated], where=where)
    if repeated and where == "form":  # its options may stand in the address, too
        raise RepeatedFields(repeated, where=where)
    if repeated:
        raise WrongFields(repeated, where=where)
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
    errors = exc.errors(include_url=False, include_input=False)
    return [
        FieldProblem(field=".".join(map(str, error["loc"]))[:64], message=_in_words(error))
        for error in errors
    ]


def _in_words(error: ErrorDetails) -> str:
    words = _WORDS.get(error["type"])
    if words is not None:
        return words.format(**error.get("ctx", {}))
    return error["msg"].removeprefix("Value error, ")
