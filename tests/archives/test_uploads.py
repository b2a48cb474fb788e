"""Operators upload archives: who may, what is kept of them, and what is refused."""

import asyncio
import io
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.archives import jobs, uploads
from commentsvc.domain.models import Scope
from commentsvc.operations import maintenance
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite
from commentsvc.web.routes import application
from commentsvc.web.server import upload
from tests.conftest import EVERYTHING, a_key, a_service, copied

ARCHIVE = Path(__file__).parent.joinpath("small.wxr.xml").read_bytes()
NOTHING = {uploads.ID_FILE}
LONGEST_PATH = 4096  # of Linux


@pytest.fixture
async def service(database_url, clock, tmp_path):
    """The service on both engines, with a folder for uploads."""
    async with a_service(database_url, clock, upload_folder=str(tmp_path / "up"), most_upload_mb=1) as service:
        yield service


@pytest.fixture
def stored(tmp_path):
    """Return a function that lists the files in the folder of uploads."""
    return lambda: {file.name for file in (tmp_path / "up").iterdir()} if (tmp_path / "up").exists() else NOTHING


async def send(client, key, body=ARCHIVE, status=202, **options):
    async with client.post("/v1/imports", data=body, params=options, headers=key) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_an_archive_is_stored_for_its_owner_alone(client, key, stored, tmp_path):
    async with client.post("/v1/imports?name=C:%5Cold%5Cmy%20blog.xml", data=ARCHIVE, headers=key) as response:
        job = await response.json()
        assert response.status == 202
        assert response.headers["Location"] == f"/v1/imports/{job['id']}"
    assert (job["name"], job["state"], job["bytes"], job["books"]) == ("my blog.xml", "uploaded", len(ARCHIVE), None)
    assert stored() == {uploads.ID_FILE, job["id"]}
    file = tmp_path / "up" / job["id"]
    assert file.read_bytes() == ARCHIVE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    async with client.get(f"/v1/imports/{job['id']}", headers=key) as response:
        assert await response.json() == job
    async with client.get("/v1/imports", headers=key) as response:
        assert await response.json() == {"imports": [job]}


async def test_only_a_key_with_all_permissions_may_upload(client, service, stored):
    moderator = await a_key(service, Scope.MODERATE)
    assert (await send(client, {}, status=401))["code"] == "unauthorized"
    assert (await send(client, moderator, status=403))["code"] == "forbidden"
    assert stored() == NOTHING


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"format": "tarball"}, "format"),
        ({"zone": "Mars/Base"}, "zone"),
        ({"zone": "../etc"}, "zone"),
        ({"site": "no.example"}, "site"),
    ],
)
async def test_wrong_options_are_refused_before_anything_is_stored(client, key, stored, options, field):
    problem = await send(client, key, status=422, **options)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert stored() == NOTHING


async def test_a_file_that_is_too_large_is_refused(client, key, stored):
    large = b"x" * (1024 * 1024 + 1)

    async def unannounced():
        yield large[: len(large) // 2]
        yield large[len(large) // 2 :]

    for body in (io.BytesIO(large), unannounced()):
        assert "up to 1 MiB" in (await send(client, key, body, status=413))["detail"]
    assert stored() <= NOTHING


async def test_an_empty_or_encoded_body_is_refused(client, key, stored):
    assert (await send(client, key, b"", status=400))["detail"] == "The file is empty. Choose another one."
    await send(client, key | {"Content-Encoding": "gzip"}, status=415)
    assert stored() <= NOTHING


async def raw(client, key, body, length):
    """Send the beginning of a body; return the connection and what it answers."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = f"POST /v1/imports HTTP/1.1\r\nHost: a\r\nAuthorization: {key['Authorization']}\r\n{length}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


async def test_an_upload_that_breaks_off_leaves_nothing(client, key, stored):
    reader, writer = await raw(client, key, b"5\r\nhello\r\nno number\r\n", "Transfer-Encoding: chunked")
    assert b" 400 " in await reader.readline()
    assert stored() <= NOTHING
    writer.close()


async def test_an_upload_that_hardly_moves_is_given_up(client, key, stored, monkeypatch):
    monkeypatch.setattr(upload, "PACE_SECONDS", 0.1)
    reader, writer = await raw(client, key, b"hello", "Content-Length: 100000")
    assert b" 408 " in await reader.readline()
    assert stored() <= NOTHING
    writer.close()


async def test_an_import_needs_its_dry_run_first_and_can_be_cancelled(client, key, stored):
    job = await send(client, key)
    async with client.post(f"/v1/imports/{job['id']}/start", headers=key) as response:
        assert response.status == 409
    async with client.delete(f"/v1/imports/{job['id']}", headers=key) as response:
        assert response.status == 204
    assert stored() == NOTHING
    async with client.get(f"/v1/imports/{job['id']}", headers=key) as response:
        assert (await response.json())["state"] == "cancelled"
    async with client.delete(f"/v1/imports/{job['id']}", headers=key) as response:
        assert response.status == 204
    async with client.get(f"/v1/imports/{job['id']}", headers=key) as response:
        assert response.status == 404


async def test_a_key_for_one_site_imports_into_this_site_only(client, service):
    for name in ("one.example", "two.example"):
        await manage.add_site(service, EVERYTHING, NewSite(name=name, origins=[f"https://{name}"]))
    ours = await a_key(service, site="one.example")
    theirs = await a_key(service, site="two.example")
    assert (await send(client, ours, status=403))["code"] == "forbidden"
    await send(client, ours, site="two.example", status=403)
    job = await send(client, ours, site="one.example")
    assert job["site"] == "one.example"
    async with client.get("/v1/imports", headers=theirs) as response:
        assert await response.json() == {"imports": []}
    for method, path in (("GET", ""), ("POST", "/start"), ("DELETE", "")):
        async with client.request(method, f"/v1/imports/{job['id']}{path}", headers=theirs) as response:
            assert response.status == 404


async def test_a_key_for_one_site_cannot_start_what_an_operator_of_all_sites_uploaded(client, service, key):
    await manage.add_site(service, EVERYTHING, NewSite(name="one.example", origins=["https://one.example"]))
    job = await send(client, key, site="one.example")
    ours = await a_key(service, site="one.example")
    async with client.post(f"/v1/imports/{job['id']}/start", headers=ours) as response:
        assert response.status == 403


async def test_an_import_and_its_file_are_forgotten_after_a_week(client, service, key, stored, clock, tmp_path):
    waiting, stopped = await send(client, key), await send(client, key)
    left = f"{service.new_id()}.part"
    (tmp_path / "up" / left).write_bytes(b"of an upload that was killed")
    (tmp_path / "up" / "secret.key").write_text("of an operator who named a folder with other files")
    (tmp_path / "up" / "folder").mkdir()
    async with client.delete(f"/v1/imports/{stopped['id']}", headers=key):
        pass
    clock.move(days=8)
    await maintenance.delete_expired(service)
    listed = (await jobs.list_imports(service, EVERYTHING)).imports
    assert [job.id for job in listed] == [waiting["id"]], "a process may still work on it"
    others = {uploads.ID_FILE, waiting["id"], "secret.key", "folder"}
    assert stored() == others | {left}, "a new part may still be arriving"
    uploads.UploadFolder.find(service.config).remove_others({waiting["id"]}, float("inf"))
    assert stored() == others


async def test_an_import_goes_with_its_site(client, service, key):
    added = await manage.add_site(service, EVERYTHING, NewSite(name="one.example", origins=["https://one.example"]))
    await send(client, key, site="one.example")
    async with client.delete(f"/v1/sites/{added.id}?expect=0", headers=key) as response:
        assert response.status in {200, 204}, await response.text()
    assert (await jobs.list_imports(service, EVERYTHING)).imports == []


async def test_without_a_folder_the_answer_names_the_setting(clock, postgres_url, aiohttp_client):
    async with a_service(postgres_url, clock) as service:
        client = await aiohttp_client(application(service))
        problem = await send(client, await a_key(service), status=409)
        assert "COMMENTSVC_UPLOAD_FOLDER" in problem["detail"]


async def test_a_disk_that_takes_no_file_is_a_refusal_that_says_so(clock, laid_file, tmp_path, aiohttp_client):
    folder = tmp_path
    while len(str(folder)) < LONGEST_PATH - 250:
        folder /= "x" * 200
    folder /= "x" * (LONGEST_PATH - 30 - len(str(folder)))  # room for the name of the id, not for that of an upload
    folder.mkdir(parents=True)
    (folder / uploads.ID_FILE).write_text("0123456789abcdef")
    async with a_service(copied(laid_file, tmp_path), clock, upload_folder=str(folder)) as service:
        client = await aiohttp_client(application(service))
        problem = await send(client, await a_key(service), status=503)
    assert problem["detail"] == "The file cannot be stored (File name too long)."


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_an_import_is_cancelled_also_while_the_disk_keeps_its_file(client, key, tmp_path, caplog):
    job = await send(client, key)
    file = tmp_path / "up" / job["id"]
    file.unlink()
    file.mkdir()  # as little can be deleted as on a read-only disk
    async with client.delete(f"/v1/imports/{job['id']}", headers=key) as response:
        assert response.status == 204
    async with client.get(f"/v1/imports/{job['id']}", headers=key) as response:
        assert (await response.json())["state"] == "cancelled"
    assert "the file of an import was not deleted yet" in caplog.text


@given(st.text(max_size=400))
def test_the_name_of_a_file_can_be_shown_whatever_it_is(name):
    clean = uploads.clean_name(name)
    assert 1 <= len(clean) <= uploads.MOST_NAME
    assert not set("/\\") & set(clean)
    assert all(unicodedata.category(one)[0] not in "CZ" or one == " " for one in clean)
