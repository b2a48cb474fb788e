"""The documented way to back up PostgreSQL works on a new cluster."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from commentsvc.audit.verification import verify_log
from commentsvc.domain.models import Mode
from commentsvc.operations.integrity import check_rows
from tests.comments.test_post import everything_in
from tests.conftest import a_service, post
from tests.moderation.test_merge import shown
from tests.postgres import make_database, server

GUIDE = Path(__file__).parents[2] / "docs" / "backups.md"


def recipe():
    """Return the two scripts in the section about PostgreSQL."""
    section = re.search(r"^## PostgreSQL\n(.*?)^## ", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return re.findall(r"```sh\n(.*?)```", section[1], re.DOTALL)


def run(script, folder, tools, address, *, fails=False):
    environment = os.environ | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PGHOST": parse_qs(urlsplit(address).query)["host"][0],
        "PGUSER": "postgres",
        "PGDATABASE": "comments",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
async def test_an_operator_moves_to_a_new_cluster_by_the_documented_commands(postgres_tools, tmp_path, clock):
    back_up, restore = recipe()
    with server(postgres_tools) as old, server(postgres_tools) as new:
        await make_database(old, "CREATE DATABASE comments")
        async with a_service(old.format("comments"), clock, moderation=Mode.NONE) as service:
            await post(service, "Kept in a dump", email="mia@example.com")
            before = await everything_in(service, "contact")
        run(back_up, tmp_path, postgres_tools, old)
        assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in ("roles.sql", "comments.dump"))
        errors = run(restore, tmp_path, postgres_tools, new)
        assert re.findall("ERROR: (.*)", errors) == [' role "postgres" already exists']
        async with a_service(new.format("comments"), clock, moderation=Mode.NONE) as service:
            checked = await check_rows(service)
            assert (checked.rows, checked.damaged) == (2, [])
            assert [dict(row) for row in await everything_in(service, "contact")] == [dict(row) for row in before]
            await verify_log(service)
            assert len((await shown(service, "/a-page/", view="flat")).comments) == 1
            await post(service, "Posted after the restore")
