"""The published contract: its examples, and its schemas as validators."""

import copy
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

CONTRACT = Path(__file__).parents[1] / "contract" / "api"

BADGE = "0123456789abcdef01234567"
OTHER_BADGE = "0123456789abcdef01234568"


def example(name: str) -> Any:
    return json.loads((CONTRACT / "examples" / f"{name}.json").read_text(encoding="utf-8"))


@functools.cache
def _document() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((CONTRACT / "openapi.yaml").read_text(encoding="utf-8"))
    return loaded


@functools.cache
def validator(schema: str) -> Draft202012Validator:
    components = {"schemas": _document()["components"]["schemas"]}
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components})


@functools.cache
def _submission_example() -> Any:
    return example("issue-badge.request")


def submission(
    *,
    customers: tuple[int, ...] = (700000001, 700000002),
    request_id: str = "example-batch-0001",
    badge: str = BADGE,
) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(_submission_example())
    body = document["payload"]["IntouchAPITask-Payload"]["body"]
    body.update(customers=list(customers), requestId=request_id, badgeMetaId=badge)
    return document


def decision(
    workflow_request_id: str, verdict: str = "approved", message: str = "reviewed"
) -> dict[str, Any]:
    return {
        "requestId": workflow_request_id,
        "actionName": "AdminTask",
        "payload": {"AdminTask-Payload": {"actionDecision": verdict, "actionMessage": message}},
    }


def shape_of(value: object) -> object:
    """Reduce a document to its keys in order and the types of its leaves."""
    match value:
        case dict():
            return [(key, shape_of(item)) for key, item in value.items()]
        case list():
            return [shape_of(item) for item in value]
        case _:
            return type(value).__name__
