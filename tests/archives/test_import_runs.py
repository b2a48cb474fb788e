"""A server works on uploaded archives in a process of its own: it can be killed, and somebody can cancel it."""

import http.client
import json
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from commentsvc.archives import jobs
from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.import_schemas import ImportQuery
from commentsvc.archives.importer import import_archive
from commentsvc.archives.job_run import run_job
from commentsvc.archives.staging import Staging
from commentsvc.config.settings import Config
from commentsvc.domain.models import Mode
from commentsvc.operations.imports import decode_settings, encode_settings
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite
from tests.archives.made import a_comment
from tests.archives.test_export import export_of
from tests.conftest import EVERYTHING, SECRET, a_service, post
from tests.operations.test_operating import port_of, serving
from tests.processes.running import children_of, service_with_workers

ARCHIVE = Path(__file__).parent.joinpath("small.wxr.xml").read_bytes()
KEY = "3f1c77ab09e2448da0b5c64e17f2d9a8c3bb"
WORKING = {"uploaded", "checking", "importing"}


def long_archive(number):
    """Return the bytes of an archive with so many comments more."""
    begin, end = ARCHIVE.index(b"<wp:comment>"), ARCHIVE.index(b"</wp:comment>") + len(b"</wp:comment>")
    comment = ARCHIVE[begin:end]
    more = (comment.replace(b"_id>1<", b"_id>%d<" % (one + 10)) for one in range(number))
    return b"".join((ARCHIVE[:end], *more, ARCHIVE[end:]))


class Operator:
    """Somebody with the key of a running service."""

    def __init__(self, port):
        self.port, self.pause = port, threading.Event()

    def ask(self, method, path="", body=None):
        headers = {"Authorization": f"Bearer {KEY}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(connection):
            connection.request(method, f"/v1/imports{path}", body, headers)
            return json.loads(connection.getresponse().read() or b"null")

    def wait(self, job_id, until):
        end = time.monotonic() + 40
        while not until(job := self.ask("GET", f"/{job_id}")):
            assert time.monotonic() < end, job
            self.pause.wait(0.05)
        return job

    def check(self, body, **options):
        """Upload an archive; return it after its dry run."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        job = self.ask("POST", f"?{query}", body)
        return self.wait(job["id"], is_over)

    def finish(self, job):
        self.ask("POST", f"/{job['id']}/start")
        return self.wait(job["id"], is_over)


def is_over(job):
    return job["state"] not in WORKING


def importers(pid):
    return {child for child in children_of(pid) if b"import_process" in Path(f"/proc/{child}/cmdline").read_bytes()}


SETTINGS = {"ADMIN_KEY": KEY, "RATE_LIMIT": "off", "SITES": "https://blog.example"}


@pytest.mark.slow
def test_an_archive_is_checked_then_imported_once(tmp_path):
    with serving(tmp_path, **SETTINGS) as (process, printed):
        operator = Operator(port_of(printed))
        checked = operator.check(ARCHIVE, merge_duplicates="true")
        assert (checked["state"], checked["format"], checked["error"]) == ("checked", "wxr", None)
        assert checked["books"]["imported"] == 2
        assert checked["books"]["left_out"] == {"spam": 1, "pingback": 1}
        done = operator.finish(checked)
        assert done["state"] == "done"
        assert done["books"] | {"threads_without_comments": 0} == checked["books"] | {"threads_without_comments": 0}
        file = tmp_path / "data" / "uploads" / done["id"]
        operator.wait(done["id"], lambda _: not file.exists())  # nobody needs its addresses any more
        again = operator.check(ARCHIVE)
        assert (again["books"]["imported"], again["books"]["existing"]) == (0, 2)
        broken = operator.check(b"no archive at all", name="notes.txt")
        assert (broken["state"], broken["error"]["code"]) == ("failed", "unreadable")
        assert "notes.txt" in broken["error"]["detail"]
        assert process.poll() is None


@pytest.mark.slow
def test_an_import_goes_on_after_its_process_and_its_server_were_killed(tmp_path):
    with service_with_workers(tmp_path, **SETTINGS) as running:
        operator = Operator(running.port)
        job = operator.check(long_archive(12_000))
        operator.ask("POST", f"/{job['id']}/start")
        operator.wait(job["id"], lambda job: job["progress"] > 0 and job["total"])
        [leading] = [worker for worker in running.workers() if importers(worker)]
        [importer] = importers(leading)
        assert os.getpriority(os.PRIO_PROCESS, importer) > os.getpriority(os.PRIO_PROCESS, leading)
        os.kill(importer, signal.SIGKILL)
        operator.wait(job["id"], lambda _: importers(leading) - {importer})
        [importer] = importers(leading)
        running.process.kill()
        running.wait_for_end({importer})
    with serving(tmp_path, **SETTINGS) as (_, printed):
        done = Operator(port_of(printed)).wait(job["id"], is_over)
    assert done["state"] == "done"
    books = done["books"]
    assert books["imported"] + books["existing"] == job["books"]["imported"]
    assert books["read"] == job["books"]["read"]


@pytest.mark.slow
def test_who_cancels_an_import_ends_its_process_and_nothing_else(tmp_path):
    with serving(tmp_path, **SETTINGS) as (process, printed):
        operator = Operator(port_of(printed))
        job = operator.check(long_archive(12_000))
        operator.ask("POST", f"/{job['id']}/start")
        operator.wait(job["id"], lambda job: job["progress"] > 0 and job["total"])
        operator.ask("DELETE", f"/{job['id']}")
        operator.wait(job["id"], lambda _: not importers(process.pid))
        assert operator.ask("GET", f"/{job['id']}")["state"] == "cancelled"
        assert not (tmp_path / "data" / "uploads" / job["id"]).exists()
        assert process.poll() is None


def test_a_process_gets_the_settings_of_its_server():
    config = Config(database_url="sqlite:////tmp/none.db", secret_key=SECRET, nesting=3)
    assert decode_settings(encode_settings(config)) == config
    assert len(json.loads(encode_settings(config))) == 3


async def test_two_servers_do_not_work_on_one_file(database_url, clock, tmp_path):
    async with a_service(database_url, clock, upload_folder=str(tmp_path / "up")) as service:
        await manage.add_site(service, EVERYTHING, NewSite(name="blog.example", origins=["https://blog.example"]))
        upload = jobs.begin_upload(service)
        upload.write(ARCHIVE)
        upload.keep()
        job = await jobs.add_import(service, EVERYTHING, ImportQuery(site="blog.example"), upload)
        with upload.folder.hold(job.id):
            assert not await run_job(service, job.id, import_archive)
        for state, start in (("checked", jobs.start_import), ("done", None)):
            assert await run_job(service, job.id, import_archive)
            job = await jobs.get_import(service, EVERYTHING, job.id)
            assert (job.state, job.books.imported) == (state, 2)
            if start:
                await start(service, EVERYTHING, job.id)


async def test_a_file_that_is_gone_fails_with_words(database_url, clock, tmp_path):
    async with a_service(database_url, clock, upload_folder=str(tmp_path / "up")) as service:
        upload = jobs.begin_upload(service)
        upload.write(ARCHIVE)
        upload.keep()
        job = await jobs.add_import(service, EVERYTHING, ImportQuery(), upload)
        upload.folder.remove(job.id)
        assert await run_job(service, job.id, import_archive)
        job = await jobs.get_import(service, EVERYTHING, job.id)
        assert (job.state, job.error.code) == ("failed", "file_gone")


@pytest.mark.parametrize(("sites", "state"), [(None, "checked"), ("blog", "failed")])
async def test_only_an_operator_of_all_sites_imports_an_export_of_this_service(
    database_url, clock, tmp_path, sites, state
):
    async with a_service(database_url, clock, upload_folder=str(tmp_path / "up"), moderation=Mode.NONE) as service:
        site = await manage.add_site(service, EVERYTHING, NewSite(name="blog", origins=["https://blog.example"]))
        await post(service, "Good luck with the move.", site="blog")
        upload = jobs.begin_upload(service)
        upload.write(await export_of(service, site=site.id))
        upload.keep()
        who = msgspec.structs.replace(EVERYTHING, sites=sites and (site.id,))
        job = await jobs.add_import(service, who, ImportQuery(site="blog"), upload)
        assert await run_job(service, job.id, import_archive)
        job = await jobs.get_import(service, who, job.id)
        assert job.state == state, job
        assert (job.books and job.books.existing) == (None if sites else 1)


def test_a_disk_that_is_full_is_named_and_nothing_is_left(tmp_path):
    def fill():
        with Staging.open(tmp_path) as staging:
            staging._connection.execute("PRAGMA max_page_count = 30")
            for number in range(2000):
                staging.add_comment(0, a_comment(number), number, None)

    with pytest.raises(UnreadableArchive, match="no room"):
        fill()
    assert list(tmp_path.iterdir()) == []
