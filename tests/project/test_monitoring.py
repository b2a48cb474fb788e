"""Test the files for Prometheus and Grafana: every metric that they name is in a real scrape, and promtool agrees."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from commentsvc.domain.deliveries import Channel
from commentsvc.domain.metrics import METRICS, MetricKind
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.spam import training
from tests.conftest import EVERYTHING, fields_of

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
ALERTS, DASHBOARD = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "grafana" / "commentsvc.json"
TOKEN = "a-token-for-prometheus"
# What only some services have.
ONLY_WITH_REPLICA = {"commentsvc_replica_lag_seconds"}


def metrics_in(text):
    return set(re.findall(r"\bcommentsvc_[a-z_]+", text))


def dashboard_expressions():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture
async def scraped(live, browser_less, tmp_path):
    """The text of a scrape of a service that was used, and has a backup."""
    url, service = await live(metrics_token=TOKEN, moderation=Mode.ALL)
    await service.db.write(note_backup)
    for path in ("/v1/comments?thread=/a/", "/v1/comments?thread=/a/", "/v1/keys"):
        await (await browser_less.get(url + path)).read()
    sent = await (await browser_less.post(f"{url}/v1/comments", json=fields_of())).json()
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[sent["id"]]))
    await training.train_sites(service)
    async with browser_less.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        return await answer.text()


async def note_backup(statements):
    await statements.run("INSERT INTO backup (id, file, made_at) VALUES (1, 'a.db', '2026-11-22T10:00:00.000Z')")


async def test_every_metric_of_alerts_and_dashboard_exists(scraped):
    names = {line.partition("{")[0].partition(" ")[0] for line in scraped.splitlines() if not line.startswith("#")}
    alerts = re.findall(r"expr: (?:>-)?\s*(.*?)\n\s+(?:for|labels):", ALERTS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(alerts) == ALERTS.read_text(encoding="utf-8").count("- alert:")
    for expression in [*alerts, *dashboard_expressions()]:
        used = metrics_in(re.sub(r"\{[^}]*\}", "", expression)) - ONLY_WITH_REPLICA
        assert used <= names, (expression, used - names)


def test_every_panel_has_its_place_and_a_query():
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["targets"] and panel["title"] for panel in dashboard["panels"])
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}


def test_every_counted_metric_is_on_the_dashboard():
    shown = metrics_in(" ".join(dashboard_expressions()))
    for metric in METRICS.values():
        ending = {MetricKind.COUNTER: "_total", MetricKind.HISTOGRAM: "_bucket"}.get(metric.kind, "")
        if metric.name not in {"commentsvc_answer_cache_entries", "commentsvc_unit_seconds"}:
            assert metric.name + ending in shown, metric.name


@pytest.fixture
def promtool():
    """Return a function that runs promtool and returns what it says."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: scripts/debian-packages develop")

    def run(*arguments, given=""):
        done = subprocess.run([program, *arguments], input=given, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


async def test_promtool_accepts_the_metrics(scraped, promtool):
    assert promtool("check", "metrics", given=scraped) == (0, "")


def test_promtool_accepts_the_rules_and_the_expressions_of_the_dashboard(promtool, tmp_path):
    code, said = promtool("check", "rules", ALERTS)
    assert code == 0, said
    expressions = [expression.replace("$__rate_interval", "5m") for expression in dashboard_expressions()]
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(expressions)]
    file = tmp_path / "panels.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    code, said = promtool("check", "rules", file)
    assert code == 0, said


async def test_both_channels_are_in_a_scrape(scraped):
    for channel in Channel:
        assert f'commentsvc_outbox_waiting{{channel="{channel.value}"}} 0.0' in scraped
