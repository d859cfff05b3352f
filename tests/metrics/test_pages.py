"""The page of metrics, and what is there to watch them with, name what is exported and nothing else."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from batch_issuer.gateway import Operation
from batch_issuer.metrics import LedgerFigures, Measurements, RunEnd
from batch_issuer.metrics.families import FAMILIES, Kind
from batch_issuer.metrics.rendering import render_metrics
from tests.metrics.reading import promtool

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text()
HOW_TO = (ROOT / "docs" / "how-to" / "watch-the-job.md").read_text()
RULES = ROOT / "deploy" / "prometheus" / "batch_issuer.rules.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "batch_issuer.json").read_text())
NOW = datetime(2026, 3, 2, tzinfo=UTC)
RECORDED_BY_PROMETHEUS = {"le", "job", "instance"}


def everything() -> str:
    """Write metrics with a sample of each."""
    measured = Measurements()
    measured.exchange(Operation.SUBMIT, None, 0.1)
    measured.pace = 0.5
    figures = LedgerFigures(
        rows={}, requests={}, statuses={200: 1}, attempts=1, unfinished=0, pending_since=NOW, last_success=NOW
    )
    runs = {"issue": RunEnd(at=1, code=0, seconds=1)}
    return render_metrics(figures=figures, runs=runs, measurements=measured, now=NOW).decode()


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """Return every expression of dashboard and alerts by where it stands."""
    panels = {
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }
    variables = {
        f"variable {one['name']}": one["definition"]
        for one in DASHBOARD["templating"]["list"]
        if one["type"] == "query"
    }
    return panels | variables | {rule["alert"]: rule["expr"] for rule in alerts()}


def exported() -> dict[str, set[str]]:
    """Return the labels of every sample that is exported, by its name."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(everything()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_the_page_is_the_table_of_what_is_exported() -> None:
    rows = re.findall(r"^\| `(batch_issuer_\w+)` \| (\w+) \| ([^|]+) \| .+ \|$", PAGE, re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == {family.name: (family.kind.value, family.labels) for family in FAMILIES}


def test_each_metric_is_exported_as_the_table_has_it() -> None:
    families = {family.name: family for family in text_string_to_metric_families(everything())}
    for family in FAMILIES:
        shown = families[family.name.removesuffix("_total")]
        assert (shown.type, shown.documentation) == (family.kind.value, family.help)
        labels = {label for sample in shown.samples for label in sample.labels} - {"le"}
        assert labels == set(family.labels)
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert len(families) == len(FAMILIES)


def test_the_tool_of_prometheus_has_nothing_to_say_of_any_metric() -> None:
    assert promtool("check", "metrics", content=everything()) == ""


@pytest.mark.parametrize("where", expressions())
def test_dashboard_and_alerts_ask_for_metrics_and_labels_that_there_are(where: str) -> None:
    expression, known = expressions()[where], exported()
    names = re.findall(r"\bbatch_issuer_\w+", expression)
    assert names
    assert [name for name in names if name not in known] == []
    labels = set(re.findall(r"(\w+)\s*=~?\s*\"", expression))
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        labels |= {label.strip() for label in grouped.split(",")}
    allowed = set().union(*(known[name] for name in names)) | RECORDED_BY_PROMETHEUS
    assert labels <= allowed


def test_the_dashboard_can_be_imported_anywhere() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    taken = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    sources = re.findall(r'"uid": "([^"]+)"', json.dumps(DASHBOARD["panels"]))
    assert DASHBOARD["id"] is None
    assert len(set(ids)) == len(ids)
    assert len(set(taken)) == len(taken), "panels lie over each other"
    assert max(x for x, _ in taken) < 24
    assert set(sources) == {"${datasource}"}
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    assert all(panel["description"] for panel in DASHBOARD["panels"])


def test_every_metric_is_shown_somewhere() -> None:
    shown = " ".join(expressions().values())
    assert [family.name for family in FAMILIES if family.name not in shown] == []


def test_each_alert_says_what_it_means_and_stands_in_the_how_to() -> None:
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert f"| `{rule['alert']}` |" in HOW_TO


def test_the_alerts_are_rules_that_prometheus_takes() -> None:
    assert f"SUCCESS: {len(alerts())} rules" in promtool("check", "rules", "--lint=all", str(RULES))


HOUR = 60


@pytest.mark.parametrize(
    ("alert", "series", "minutes", "fires"),
    [
        ("BatchIssuerNoSuccess", {"batch_issuer_last_success_timestamp_seconds": "0x3000"}, 25 * HOUR, False),
        ("BatchIssuerNoSuccess", {"batch_issuer_last_success_timestamp_seconds": "0x3000"}, 27 * HOUR, True),
        (
            "BatchIssuerApprovalsWait",
            {"batch_issuer_oldest_pending_approval_timestamp_seconds": "0x3000"},
            23 * HOUR,
            False,
        ),
        (
            "BatchIssuerApprovalsWait",
            {"batch_issuer_oldest_pending_approval_timestamp_seconds": "0x3000"},
            25 * HOUR,
            True,
        ),
        ("BatchIssuerUnfinished", {"batch_issuer_unfinished_batches": "1x200"}, 30, False),
        ("BatchIssuerUnfinished", {"batch_issuer_unfinished_batches": "1x200"}, 90, True),
        ("BatchIssuerRowsInDoubt", {'batch_issuer_rows{outcome="in_doubt"}': "3x200"}, 90, True),
        ("BatchIssuerRowsInDoubt", {'batch_issuer_rows{outcome="not_sent"}': "3x200"}, 90, False),
        ("BatchIssuerRunFailed", {'batch_issuer_last_run_exit_code{command="issue"}': "1x200"}, 5, True),
        ("BatchIssuerRunFailed", {'batch_issuer_last_run_exit_code{command="issue"}': "6x200"}, 5, True),
        ("BatchIssuerRunFailed", {'batch_issuer_last_run_exit_code{command="issue"}': "4x200"}, 5, False),
        (
            "BatchIssuerMetricsStale",
            {'batch_issuer_last_run_timestamp_seconds{command="issue"}': "0x3000"},
            27 * HOUR,
            True,
        ),
        (
            "BatchIssuerMetricsStale",
            {
                'batch_issuer_last_run_timestamp_seconds{command="issue"}': "0x3000",
                'batch_issuer_last_run_timestamp_seconds{command="refresh"}': "0+60x3000",
            },
            27 * HOUR,
            False,
        ),
        ("BatchIssuerMetricsAbsent", {'batch_issuer_build_info{version="1"}': "1x200"}, 90, False),
        ("BatchIssuerMetricsAbsent", {"something_else": "1x200"}, 90, True),
    ],
)
def test_an_alert_fires_when_it_should_and_only_then(
    tmp_path: Path, alert: str, series: dict[str, str], minutes: int, *, fires: bool
) -> None:
    (rule,) = (rule for rule in alerts() if rule["alert"] == alert)
    # a series without labels of its own stands for any machine
    told = [{"series": name, "values": values} for name, values in series.items()]
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    expected = [{"labels": "{}", "value": int(fires)}]
    test = {
        "interval": "1m",
        "input_series": told,
        "promql_expr_test": [{"expr": firing, "eval_time": f"{minutes}m", "exp_samples": expected}],
    }
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    assert rule["expr"]
    assert "SUCCESS" in promtool("test", "rules", "test.yml", folder=tmp_path)


def test_a_run_without_a_metrics_file_does_not_load_what_writes_it() -> None:
    script = "import sys, batch_issuer.cli.running; print('prometheus_client' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"
