"""Programmers generate clients from the OpenAPI document, check their types, and call the service with them."""

import asyncio
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from commentsvc.web.api.openapi import document
from commentsvc.web.routes import ROUTES
from tests.conftest import a_key

pytestmark = pytest.mark.slow

CLIENTS = Path(__file__).parent.parent / "clients"
TOOLS = Path(sys.prefix) / "bin"
MODULES = Path(sys.prefix) / "npm" / "node_modules"
CALLS = [
    "preview", "post", "error", "queue", "act by ids", "act by where", "undo", "rule test", "list as a tree",
    "list flat", "counts", "report",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A folder with the document and the programs that use it."""
    if not MODULES.is_dir():
        pytest.skip("the tools of tests/clients/package.json are not installed: make test installs them")
    place = tmp_path / "clients"
    shutil.copytree(CLIENTS, place)
    (place / "node_modules").symlink_to(MODULES)
    (place / "openapi.json").write_bytes(msgspec.json.encode(document(ROUTES)))
    return place


async def run(folder, program, *arguments):
    """Run a program in the folder; return its output. It must succeed."""
    path = f"{TOOLS}:/usr/bin:/bin"
    process = await asyncio.create_subprocess_exec(
        program, *arguments, cwd=folder, env={"PATH": path, "HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_a_python_programmer_generates_a_typed_client_and_calls_the_service(folder, live):
    url, service = await live()
    key = (await a_key(service))["Authorization"].removeprefix("Bearer ")
    printed = await run(
        folder, TOOLS / "openapi-python-client", "generate", "--path", "openapi.json", "--config", "python.yaml",
        "--meta", "none", "--output-path", "commentsvc_client",
    )  # fmt: skip

    assert "warning" not in printed.lower(), printed
    await run(folder, TOOLS / "mypy", "--config-file", "mypy.ini", "commentsvc_client", "ten_calls.py")
    assert (await run(folder, TOOLS / "python", "ten_calls.py", url, key)).splitlines() == CALLS


async def test_a_javascript_programmer_generates_types_and_calls_the_service(folder, live):
    url, service = await live()
    key = (await a_key(service))["Authorization"].removeprefix("Bearer ")
    await run(folder, MODULES / ".bin" / "openapi-typescript", "openapi.json", "--output", "commentsvc.d.ts")

    await run(folder, MODULES / ".bin" / "tsc", "--project", ".")
    assert (await run(folder, TOOLS / "node", "ten_calls.js", url, key)).splitlines() == CALLS


async def test_a_linter_finds_no_error_and_no_warning_in_the_document(folder):
    printed = await run(folder, MODULES / ".bin" / "redocly", "lint", "openapi.json", "--config", "redocly.yaml")

    assert "Your API description is valid" in printed
    assert "warning" not in printed.lower().replace("deprecation warning", ""), printed
