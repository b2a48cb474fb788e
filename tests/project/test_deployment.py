"""Check the files of ``deploy/``: systemd, proxies and Kubernetes accept them, and the service runs behind proxies."""

import gzip
import importlib
import json
import re
import ssl
import subprocess
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
import yaml

from commentsvc.config import PREFIX
from commentsvc.config.environment import SECRETS
from commentsvc.config.settings import Config
from tests.operations.test_operating import serving
from tests.proxies import free_port, started

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("commentsvc*"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
HOST = "comments.example.com"
KEY = "a-key-of-an-operator-long-enough-for-tests"
SETTINGS = {f"{PREFIX}{name.upper()}" for name in Config.__struct_fields__}
FILES = {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS}


class Overlay(yaml.SafeLoader):
    """Reads compose files. ``!reset`` removes what an earlier file said."""


Overlay.add_constructor("!reset", lambda loader, node: loader.construct_sequence(node))


def systemd_analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_systemd_accepts_the_units(tmp_path):
    program = tmp_path / "commentsvc"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/commentsvc/bin/commentsvc", str(program))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")

    done = systemd_analyze("verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS))

    ours = [line for line in done.stderr.splitlines() if "commentsvc" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", ["commentsvc.service", "commentsvc-backup.service"])
def test_a_broken_service_can_do_little_to_its_computer(name):
    done = systemd_analyze("security", "--offline=true", "--threshold=15", str(DEPLOY / "systemd" / name))

    assert done.returncode == 0, done.stdout.splitlines()[-1]


@contextmanager
def behind(program, folder):
    """Start the service, and before it a proxy with our file; yield the ports of the proxy: https, http."""
    settings = {"PUBLIC_URL": f"https://{HOST}", "SITES": "https://blog.example.com", "ADMIN_KEY": KEY}
    settings |= {"TRUSTED_PROXIES": "127.0.0.1/32", "MODERATION": "none", "FORM_SECONDS": "off"}
    (folder / "service").mkdir()
    with serving(folder / "service", **settings) as (process, _):
        port, plain, service = free_port(), free_port(), listening_port(process)
        make = {"caddy": configure_caddy, "nginx": configure_nginx}[program]
        with started(program, folder, make(folder, port, plain, service)):
            yield port, plain


def listening_port(process):
    """Return the port that the service says it listens on."""
    lines = ""
    while (found := re.search(r"listening on port (\d+)", lines)) is None:
        lines += process.stderr.read()
    return int(found[1])


def configure_caddy(folder, port, plain, service):
    text = (DEPLOY / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    text = text.replace("{$COMMENTS_HOST}", f"https://{HOST}:{port}")
    text = text.replace("{$COMMENTS_SERVICE:127.0.0.1:8080}", f"127.0.0.1:{service}")
    text = text.replace("\tencode", f"\ttls {folder}/certificate {folder}/key\n\tbind 127.0.0.1\n\tencode", 1)
    return f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n\tskip_install_trust\n}}\n{text}"


def configure_nginx(folder, port, plain, service):
    text = (DEPLOY / "nginx" / "comments.conf").read_text(encoding="utf-8")
    for ours, theirs in {
        "/var/cache/nginx": str(folder / "cache"),
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "/etc/ssl/comments.crt": f"{folder}/certificate",
        "/etc/ssl/private/comments.key": f"{folder}/key",
        "127.0.0.1:8080": f"127.0.0.1:{service}",
    }.items():
        assert ours in text
        text = text.replace(ours, theirs)
    (folder / "cache").mkdir()
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"user root;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/errors;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{text}}}\n"
    )


def ask(port, method, path, body=None, **headers):
    """Send a request to a proxy by https; return status, headers and content."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    content = json.dumps(body) if body else None
    kind = {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, content, {"Host": HOST} | kind | headers)
    response = connection.getresponse()
    found = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    connection.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("program", ["caddy", "nginx"])
def test_a_blog_is_served_by_https_behind_the_proxy(program, tmp_path):
    with behind(program, tmp_path) as (port, plain):
        fields = {"thread": "https://blog.example.com/post/", "name": "Ada", "email": "ada@example.com"}
        status, _, answer = ask(
            port, "POST", "/v1/comments", fields | {"comment": "Words. " * 200},
            **{"Origin": "https://blog.example.com", "X-Forwarded-For": "203.0.113.9"},
        )  # fmt: skip
        assert status == 201, answer
        path, compressed = "/v1/comments?thread=https://blog.example.com/post/", {"Accept-Encoding": "gzip"}
        answers = [ask(port, "GET", path, **compressed) for _ in range(2)]
        for status, headers, content in answers:
            assert (status, headers["content-encoding"]) == (200, "gzip")
            assert headers["cache-control"] == "public, max-age=10, stale-while-revalidate=60"
            assert b"Words." in gzip.decompress(content)
        if program == "nginx":
            assert [headers["x-cache"] for _, headers, _ in answers] == ["MISS", "HIT"]
        tag = answers[1][1]["etag"]
        assert ask(port, "GET", path, **compressed, **{"If-None-Match": tag})[0] == 304

        operator = {"Authorization": f"Bearer {KEY}"}
        _, headers, content = ask(port, "GET", "/v1/moderation/comments?status=any", **operator)
        assert json.loads(content)["comments"][0]["network"] == "127.0.0.0/24", "what the client claimed is dropped"
        assert headers["cache-control"] == "no-store"
        assert headers.get("x-cache", "BYPASS") == "BYPASS"

        connection = HTTPConnection("127.0.0.1", plain, timeout=10)
        connection.request("GET", "/t", headers={"Host": HOST})
        response = connection.getresponse()
        assert (response.status in {301, 308}, response.headers["Location"].startswith(f"https://{HOST}")) == (
            True,
            True,
        )
        connection.close()


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes_accepts_the_manifests(file):
    kubernetes = importlib.import_module("kubernetes_validate")  # takes 2 s: only the process that needs it waits
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        kubernetes.validate(document, "1.37", strict=True)


def test_the_parts_on_kubernetes_fit_together():
    documents = [one for file in MANIFESTS for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
    by_kind = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    deployment = by_kind["Deployment", "commentsvc"]["spec"]
    pod = deployment["template"]["spec"]
    [container] = pod["containers"]

    assert deployment["replicas"] == 2
    assert set(by_kind["ConfigMap", "commentsvc"]["data"]) <= SETTINGS | FILES
    assert ("Service", "commentsvc") in by_kind
    for workload in (deployment, by_kind["StatefulSet", "postgres"]["spec"]):
        assert workload["selector"]["matchLabels"] == workload["template"]["metadata"]["labels"]
    for name in ("commentsvc", "postgres"):
        selected = by_kind["Service", name]["spec"]["selector"]
        assert selected == {"app.kubernetes.io/name": name}
    volumes = {one["name"] for one in pod["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == volumes
    folders = {one["mountPath"] for one in container["volumeMounts"]}
    config = by_kind["ConfigMap", "commentsvc"]["data"]
    assert {value.rpartition("/")[0] for value in config.values() if value.startswith("/")} <= folders
    probes = [container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")]
    assert probes == ["/healthz", "/healthz", "/readyz"], "a pod that cannot store a comment is not restarted"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["terminationGracePeriodSeconds"] > 12 + 5, "the service ends within 12 seconds, after the preStop"


@pytest.mark.parametrize("proxy", ["caddy", "traefik"])
@pytest.mark.parametrize("base", ["docker-compose.yml", "docker-compose.postgres.yml"])
def test_compose_puts_a_proxy_before_the_service(proxy, base):
    ours = yaml.safe_load((DEPLOY.parent / base).read_text(encoding="utf-8"))
    added = yaml.load((DEPLOY / proxy / "compose.yml").read_text(encoding="utf-8"), Overlay)  # noqa: S506 -- a SafeLoader

    assert added["services"].keys() - {proxy} <= ours["services"].keys()
    service = added["services"]["commentsvc"]
    assert service["ports"] == [], "only the proxy can be reached"
    assert set(service["environment"]) <= SETTINGS
    front = added["services"][proxy]
    assert front["cap_drop"] == ["ALL"]
    assert front["networks"] == ["front"]
    assert "front" in service["networks"]
    named = {volume.partition(":")[0] for volume in front["volumes"] if not volume.startswith(".")}
    assert named == added["volumes"].keys()
    subnet = added["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert service["environment"]["COMMENTSVC_TRUSTED_PROXIES"] == subnet


def test_the_routes_of_traefik_lead_to_the_service():
    added = yaml.load((DEPLOY / "traefik" / "compose.yml").read_text(encoding="utf-8"), Overlay)  # noqa: S506 -- likewise
    text = re.sub(r"\$\{\w+(?::-([^}]*))?\}", lambda found: found[1] or HOST, added["configs"]["routes"]["content"])
    routes = yaml.safe_load(text)["http"]

    assert routes["routers"]["comments"]["rule"] == f"Host(`{HOST}`)"
    servers = routes["services"][routes["routers"]["comments"]["service"]]["loadBalancer"]
    assert servers["servers"] == [{"url": "http://commentsvc:8080"}]
    resolver = routes["routers"]["comments"]["tls"]["certResolver"]
    assert any(resolver in word for word in added["services"]["traefik"]["command"])
