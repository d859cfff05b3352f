"""The OpenAPI document: written from the operations, and from the models that read and write them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from batch_issuer import __version__
from batch_issuer.reports.files import REPORTS
from batch_issuer.web.api.answers import ProblemAnswer
from batch_issuer.web.api.operations import Header, Operation, Schema, Told
from batch_issuer.web.routes import PUBLIC

PROBLEM: Final = "application/problem+json"
_REFERENCE: Final = "#/components/schemas/{model}"
_PATH_FIELDS: Final[Mapping[str, tuple[str, Schema]]] = {
    "batch": ("The batch.", {"type": "string", "pattern": "^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$"}),
    "run": ("The run.", {"type": "string", "pattern": "^[0-9a-f]{16}$"}),
    "name": ("The name of the file.", {"type": "string", "enum": list(REPORTS)}),
}
_PROBLEMS: Final = {
    400: "What was sent can't be read; `errors` names every field that is wrong.",
    401: "There is no token, or it is not valid (any more).",
    403: "The user whose token this is may not do that.",
    404: "There is no such thing.",
    408: "The body came too slowly; nothing of it was kept.",
    409: "That is under way, or done, already.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken here, or packed.",
    416: "The file has no such part.",
    422: "It can be read, and yet can't be done as it is; `detail` says why and what to do.",
    503: "The ledger or the disk can't be used now; try again.",
}
_PROBLEM_HEADERS: Final = {
    401: (Header(name="WWW-Authenticate", what="How to send a token."),),
}
_ABOUT: Final = (
    "Create batches, follow them and act on them. Whatever takes long is a run of the server: the answer "
    "names it at once, and `GET /api/runs/{run}` tells how far it is."
)


def write_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Describe all operations."""
    paths: dict[str, dict[str, Any]] = {}
    references, components = _schemas(operations)
    for operation in operations:
        described = _Writer(references).operation(operation)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "batch_issuer", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of a user: `batch-issuer users token NAME --for TEXT` makes one.",
                }
            },
        },
    }


Modelled = tuple[type[BaseModel], JsonSchemaMode]


def _schemas(operations: Sequence[Operation]) -> tuple[Mapping[Modelled, Schema], Schema]:
    """Return a reference to the schema of each model, and all schemas."""
    wanted: list[Modelled] = list(dict.fromkeys([(ProblemAnswer, "serialization"), *_models(operations)]))
    found, definitions = models_json_schema(wanted, ref_template=_REFERENCE)
    references = {(model, mode): found[(model, mode)] for model, mode in wanted}
    return references, definitions["$defs"]


def _models(operations: Iterable[Operation]) -> Iterator[Modelled]:
    for operation in operations:
        for told in operation.told:
            yield from ((one, "serialization") for one in told.content.values() if isinstance(one, type))
        yield from ((one, "validation") for one in operation.body.values() if isinstance(one, type))


class _Writer:
    """Describes operations, given where the schemas of models are."""

    def __init__(self, references: Mapping[Modelled, Schema]) -> None:
        self._references = references

    def operation(self, operation: Operation) -> dict[str, Any]:
        """Describe one operation."""
        described: dict[str, Any] = {
            "operationId": operation.name,
            "summary": operation.summary,
            "description": operation.description,
            "parameters": [*_in_path(operation.path), *_given(operation)],
            "responses": {
                **{str(told.status): self._told(told) for told in operation.told},
                **{str(status): self._problem(status) for status in sorted(operation.problems)},
            },
            "security": [] if operation.needs is PUBLIC else [{"token": []}],
        }
        if operation.body:
            content = self._content(operation.body, "validation")
            described["requestBody"] = {"required": True, "content": content}
        return described

    def _told(self, told: Told) -> dict[str, Any]:
        described: dict[str, Any] = {"description": told.what}
        if told.content:
            described["content"] = self._content(told.content, "serialization")
        if told.headers:
            described["headers"] = _headers(told.headers)
        if told.links:
            described["links"] = dict(told.links)
        return described

    def _problem(self, status: int) -> dict[str, Any]:
        headers = _PROBLEM_HEADERS.get(status, ())
        content = self._content({PROBLEM: ProblemAnswer}, "serialization")
        described: dict[str, Any] = {"description": _PROBLEMS[status], "content": content}
        return {**described, "headers": _headers(headers)} if headers else described

    def _content(
        self, content: Mapping[str, Schema | type[BaseModel]], mode: JsonSchemaMode
    ) -> dict[str, Any]:
        return {
            kind: {"schema": self._references[(one, mode)] if isinstance(one, type) else one}
            for kind, one in content.items()
        }


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        what, schema = _PATH_FIELDS[name]
        yield {"name": name, "in": "path", "required": True, "description": what, "schema": schema}


def _given(operation: Operation) -> Iterator[dict[str, Any]]:
    for place, model in (("query", operation.query), ("header", operation.headers)):
        for name, schema in ({} if model is None else properties(model)).items():
            what = schema.pop("description", "")
            yield {"name": name, "in": place, "required": False, "description": what, "schema": schema}


def form_of(model: type[BaseModel], **files: str) -> Schema:
    """Return the schema of a form that has the fields of a model beside some files."""
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    brought = {name: {**binary, "description": what} for name, what in files.items()}
    return {
        "type": "object",
        "properties": {**brought, **properties(model)},
        "required": list(files),
        "additionalProperties": False,
    }


def properties(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return the schema of each field of a model, complete in itself; none has to be given."""
    schema = model.model_json_schema(ref_template=_REFERENCE)
    return {name: _plain(one, schema.get("$defs", {})) for name, one in schema.get("properties", {}).items()}


def _plain(schema: dict[str, Any], known: Schema) -> dict[str, Any]:
    """Write a schema without references, and without what only JSON knows."""
    if "$ref" in schema:
        named = dict(known[schema["$ref"].rpartition("/")[2]])
        schema = {**named, **{name: value for name, value in schema.items() if name != "$ref"}}
    if "anyOf" in schema:  # or null, which nobody can write into an address
        rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
        (only,) = (one for one in schema["anyOf"] if one != {"type": "null"})
        schema = {**_plain(only, known), **rest}
    if "items" in schema:
        schema = {**schema, "items": _plain(schema["items"], known)}
    return {name: value for name, value in schema.items() if name != "title"}


def _headers(headers: Sequence[Header]) -> dict[str, Any]:
    return {
        one.name: {
            "description": one.what,
            "required": one.is_always_there,
            "schema": {"type": "string"},
        }
        for one in headers
    }
