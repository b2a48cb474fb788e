"""The API reference as a page."""

import json
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import hdrs, web

from commentsvc.config.settings import Config
from commentsvc.web.api.examples import Example, load_examples
from commentsvc.web.api.health import DOCUMENT
from commentsvc.web.pages.templates import ENGLISH, html, render_template
from commentsvc.web.server import problems, security
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import FILE, SERVICE


@dataclass(frozen=True)
class Operation:
    """An operation as the page shows it; ``request`` is a command, ``answer`` its output."""

    id: str
    tag: str
    method: str
    path: str
    title: str
    spec: dict[str, Any]
    request: str
    answer: str


async def docs(request: web.Request) -> web.Response:
    """Show the API reference."""
    render = partial(_render_reference, request.app[DOCUMENT], request.app[SERVICE].config)
    page = html(await run_off_loop(render), private=False)
    page.headers["Content-Security-Policy"] = security.DOCS_POLICY
    return page


@cache
def _render_reference(encode_document: Callable[[], bytes], config: Config) -> str:
    # Cached: rendering takes 0.1 s.
    document = msgspec.json.decode(encode_document())
    operations = list(_operations(document, config.own_url))
    values = {"document": document, "operations": operations, "problems": _error_codes()}
    return render_template("docs.html", ENGLISH, config, **values)


def _operations(document: dict[str, Any], url: str) -> Iterable[Operation]:
    examples = load_examples()
    for path, methods in document["paths"].items():
        for method, spec in methods.items():
            example = examples.get(spec["operationId"])
            refused = document["components"]["responses"]
            answers = spec["responses"].items()
            spec["responses"] = {status: refused.get(_name(answer), answer) for status, answer in answers}
            yield Operation(
                id=spec["operationId"],
                tag=spec["tags"][0],
                method=method.upper(),
                path=path,
                title=re.sub("[A-Z]", lambda capital: f" {capital[0].lower()}", spec["operationId"]).capitalize(),
                spec=spec,
                request=_command(example, spec, url) if example else "",
                answer=_answer(example) if example else "",
            )


def _name(answer: dict[str, Any]) -> str:
    return str(answer.get("$ref", "")).rpartition("/")[2]


def _command(example: Example, spec: dict[str, Any], url: str) -> str:
    """Return the request as a command that can be pasted into a shell."""
    address = (
        url
        + example.address.format(**example.path)
        + (f"?{urlencode(example.query, doseq=True)}" if example.query else "")
    )
    headers = dict(example.headers)
    if spec["security"]:
        headers[hdrs.AUTHORIZATION] = "Bearer cs_…" if "key" in spec["security"][0] else "Bearer ct_…"
    parts = [f"curl {shlex.quote(address)}"]
    if example.method not in {"GET", "POST"} or (example.method == "POST" and example.body is None):
        parts[0] = f"curl -X {example.method} {shlex.quote(address)}"
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    if example.body is not None:
        parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_pretty(example.body))}"]
    if FILE in spec.get("requestBody", {}).get("content", {}):
        parts += ["--data-binary @archive.xml"]
    return " \\\n  ".join(parts)


def _answer(example: Example) -> str:
    if example.answer is None or isinstance(example.answer, str):
        return f"{example.answer}…" if example.answer else ""
    return _pretty(example.answer)


def _pretty(value: Any) -> str:
    """Return JSON on one line if it fits, or else indented."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= 72 else json.dumps(value, ensure_ascii=False, indent=2)  # noqa: PLR2004 -- one line


def _error_codes() -> list[tuple[int, str, str]]:
    """Return status, code and title of every error."""
    ours = [(status, error.code, error.title) for error, status in problems.STATUS_OF_ERROR.items()]
    codes = {code for _, code, _ in ours}
    framework = [(status, code, title) for status, (code, title) in problems.FRAMEWORK.items() if code not in codes]
    return sorted({code: (status, code, title) for status, code, title in framework + ours}.values())
