"""Real reverse proxies that serve a blog over https, with the comment service below a path of it."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import make_certificate

PATHS = f"{os.environ['PATH']}:/usr/sbin"  # where Debian has nginx
BLOG_POST = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>A post</title><body><h1>A post</h1><p>Words.</p>"
    "<script async src=/comments/embed.js></script></body></html>"
)
NGINX_HEAD = """
user root;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""
NGINX_BLOG = """
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/certificate;
        ssl_certificate_key {folder}/key;
        {location}
        location / {{
            default_type text/html;
            return 200 "{post}";
        }}
    }}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
https://127.0.0.1:{port} {{
    bind 127.0.0.1
    tls {folder}/certificate {folder}/key
    {location}
    handle {{
        header Content-Type "text/html; charset=utf-8"
        respond "{post}"
    }}
}}
"""
DOCS = Path(__file__).parent.parent / "docs"


def documented(language: str, document: str = "operating.md") -> str:
    """Return the configuration that operators are told to use."""
    return re.search(rf"```{language}\n(.*?)```", (DOCS / document).read_text(encoding="utf-8"), re.DOTALL)[1]


# The program, and what its configuration has for the service on port 8080.
LOCATIONS = {
    "nginx": documented("nginx"),
    "caddy": documented("caddyfile"),
    "nginx-keeps": "location /comments { proxy_pass http://127.0.0.1:8080; }",
    "caddy-keeps": "handle /comments/* {\nreverse_proxy 127.0.0.1:8080\n}",
    # An easy mistake: /comments/t becomes //t.
    "nginx-doubles": "location /comments { proxy_pass http://127.0.0.1:8080/; }",
}


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(name: str, *, port: int, service: int, folder: Path) -> Iterator[None]:
    """Run a proxy on this port, before the service on its port."""
    program = name.partition("-")[0]
    template = NGINX_HEAD + NGINX_BLOG if program == "nginx" else CADDY
    location = LOCATIONS[name].replace("8080", str(service))
    with started(program, folder, template.format(folder=folder, port=port, location=location, post=BLOG_POST)):
        yield


@contextmanager
def started(program: str, folder: Path, configuration: str) -> Iterator[None]:
    """Run nginx or Caddy with this configuration and a new certificate. Both return when they accept connections."""
    found = shutil.which(program, path=PATHS)
    if found is None:
        pytest.skip(f"{program} is not installed")
    make_certificate(folder / "certificate", folder / "key")
    (folder / "config").write_text(configuration, encoding="utf-8")
    start = {
        "nginx": [found, "-p", folder, "-e", folder / "errors", "-c", folder / "config"],
        "caddy": [found, "start", "--config", folder / "config", "--adapter", "caddyfile", "--pidfile", folder / "pid"],
    }[program]
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "output").open("w") as output:
        done = subprocess.run(start, check=False, stdout=output, stderr=output, env={"PATH": PATHS} | homes)
    assert done.returncode == 0, (folder / "output").read_text()
    try:
        yield
    finally:
        os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
