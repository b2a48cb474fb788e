"""Operators import an archive on the moderation page: a dry run first, then the import. No script is needed."""

import asyncio
import os
from pathlib import Path

import aiohttp
import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe

from commentsvc.archives import uploads
from commentsvc.archives.books import Books
from commentsvc.archives.records import LeftOutReason, Repair
from commentsvc.domain.models import Actor, ActorKind, Mode, Status
from commentsvc.service import write
from commentsvc.storage import import_jobs
from commentsvc.storage.import_jobs import ImportJob, JobState
from tests.conftest import SECRET, post
from tests.web.test_moderation_looks import assert_large_targets

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
PICTURES = os.environ.get("COMMENTSVC_PICTURES", "")
ARCHIVE = Path(__file__).parent.parent / "archives" / "small.wxr.xml"
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
SITE = {"sites": "https://blog.example", "secret_key": SECRET}
BOOKS = Books(
    read=418_206,
    imported=402_118,
    statuses={Status.APPROVED: 398_940, Status.PENDING: 3_178},
    merged=974,
    left_out={LeftOutReason.PINGBACK: 10_126, LeftOutReason.SPAM: 4_377, LeftOutReason.TRASH: 611},
    repairs={Repair.PARENT_LEFT_OUT: 131, Repair.DATE_UNKNOWN: 1},
    threads=3_001,
)


@write
async def add_job(unit, state, *, progress=0, total=None, books=BOOKS):
    """Store an import whose file is on another server."""
    job = ImportJob(
        id=unit.new_id(),
        site_id=None,
        folder="elsewhere",
        name="wordpress-export.xml.gz",
        bytes=84_000_000,
        format="wxr",
        options='{"zone": "Europe/Lisbon"}',
        state=state,
        progress=progress,
        total=total,
        books=msgspec.json.encode(books).decode() if books else None,
        actor=Actor(ActorKind.PERSON, None, "owner"),
        created_at=unit.ago(minutes=5),
        started_at=unit.ago(seconds=71),
        finished_at=unit.now(),
    )
    await import_jobs.add(unit, job)
    return job.id


async def look(page, name, *, with_axe=False):
    """Check the page with axe in both colour schemes, and its width; keep a picture if somebody wants one."""
    for width, scheme in ((1100, "light"), (320, "dark")):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=scheme)
        if PICTURES:
            await page.screenshot(path=f"{PICTURES}/{name}-{width}.png", full_page=True)
        if with_axe:  # it needs scripts
            await page.evaluate(Axe().axe_script)
            found = await page.evaluate("options => axe.run(options).then(results => results.violations)", WCAG)
            assert [one["id"] for one in found] == [], name
        assert await page.evaluate(f"document.documentElement.scrollWidth <= {width}"), name


async def choose(page, file=ARCHIVE):
    await page.get_by_label("File").set_input_files(file)
    await page.get_by_role("button", name="Upload and check").click()


@pytest.mark.slow
async def test_an_operator_imports_an_archive_without_script(at_desk):
    owner, _ = await at_desk("owner", script=False, **SITE)
    await owner.get_by_role("link", name="Import").click()
    await look(owner, "import-choose")
    await choose(owner)
    await owner.get_by_text("nothing has been changed yet").wait_for()  # the page reloads itself
    await look(owner, "import-checked")
    assert "The books balance: 4 = 2 + 0 + 0 + 2" in await owner.locator("main").inner_text()

    await owner.get_by_label("Import as spam").check()
    await owner.get_by_role("button", name="Import 2 comments").click()
    await owner.get_by_role("button", name="Import 3 comments").wait_for()  # other choices are checked first
    await owner.get_by_role("button", name="Import 3 comments").click()
    await owner.get_by_role("link", name="See the comments").wait_for()
    await look(owner, "import-done")
    assert "The books balance: 4 = 3 + 0 + 0 + 1" in await owner.locator("main").inner_text()
    await owner.get_by_role("link", name="See the comments").click()
    assert "Good luck with the move." in await owner.locator("#cards").inner_text()


@pytest.mark.slow
async def test_with_script_the_page_shows_the_dry_run_when_it_is_done(at_desk):
    owner, _ = await at_desk("owner", **SITE)
    await owner.goto("/moderate/import")
    await choose(owner)
    await owner.wait_for_url("**/moderate/import/*")
    await owner.get_by_role("button", name="Import 2 comments").wait_for()
    await owner.get_by_role("button", name="Cancel").click()
    assert await owner.locator("main .chip").inner_text() == "stopped"


@pytest.mark.parametrize("lang", ["en", "ar"])
async def test_the_books_are_a_table_and_their_sum_is_written_out(at_desk, lang):
    owner, service = await at_desk("owner", person={"locale": lang}, **SITE)
    job = await add_job(service, JobState.CHECKED)
    await owner.goto(f"/moderate/import/{job}")
    await look(owner, f"import-books-{lang}", with_axe=True)
    await assert_large_targets(owner)
    rows = [await row.inner_text() for row in await owner.locator("table tbody tr").all()]
    assert [row.split("\t")[1] for row in rows] == [
        "418,206",
        "402,118",
        "974",
        "0",
        "15,114",
        "10,126",
        "4,377",
        "611",
    ]
    if lang == "en":
        text = await owner.locator("main").inner_text()
        assert "The books balance: 418,206 = 402,118 + 974 + 0 + 15,114" in text
        assert "131 replies to comments that are left out were moved up." in text
        assert "WordPress, 84 MB, read in 71 seconds" in text
        assert await owner.locator(".strong").inner_text() == "Import 402,118 comments"
        assert await owner.locator("#zone").input_value() == "Europe/Lisbon"
    answer = await owner.request.get(f"/moderate/import/{job}/books")
    books = msgspec.json.decode(await answer.body())
    assert (books["dry_run"], books["books"]["imported"]) == (True, 402_118)


async def test_an_import_that_runs_shows_how_far_it_is(at_desk):
    owner, service = await at_desk("owner", **SITE)
    job = await add_job(service, JobState.IMPORTING, progress=251_900, total=402_118)
    await owner.goto(f"/moderate/import/{job}")
    await look(owner, "import-progress", with_axe=True)
    text = await owner.locator("main").inner_text()
    assert "62% 251,900 of 402,118 comments, about 42 seconds left" in text
    assert "You can close this page" in text
    await owner.get_by_role("button", name="Stop").click()
    assert await owner.locator("main .chip").inner_text() == "stopped"
    failed = await add_job(service, JobState.CHECKED, books=Books(read=3, imported=2))
    await owner.goto(f"/moderate/import/{failed}")
    assert "do not balance" in await owner.locator("main").inner_text()


async def test_a_wrong_file_is_refused_on_the_page(at_desk, tmp_path):
    owner, _ = await at_desk("owner", most_upload_mb=1, **SITE)
    empty, large = tmp_path / "empty.xml", tmp_path / "large.xml"
    empty.touch()
    large.write_bytes(b"x" * 1_100_000)
    await owner.goto("/moderate/import")
    await choose(owner, empty)
    assert "The file is empty." in await owner.get_by_role("alert").inner_text()
    await look(owner, "import-refused", with_axe=True)
    await choose(owner, large)
    await owner.get_by_text("The file is too large. This service takes up to 1.05 MB.").wait_for()
    assert await owner.locator("main .list .row").count() == 0


async def test_nothing_is_stored_without_the_token_of_the_session(at_desk, curl):
    owner, service = await at_desk("owner", script=False, **SITE)
    folder = uploads.find_folder(service.config)
    url = service.config.own_origin
    [cookie] = await owner.context.cookies()
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}", "Origin": url, "Sec-Fetch-Site": "same-origin"}
    for fields in ([], [("csrf", "forged")], [("site", "blog.example")]):
        form = aiohttp.FormData(fields)
        form.add_field("file", ARCHIVE.read_bytes(), filename="a.xml")
        async with curl.post(f"{url}/moderate/import", data=form, headers=headers) as response:
            assert response.status in {400, 403}, await response.text()
    assert not folder.exists()


async def test_a_form_that_nobody_can_read_is_refused(at_desk, curl):
    owner, service = await at_desk("owner", script=False, **SITE)
    folder = uploads.find_folder(service.config)
    url = service.config.own_origin
    await owner.goto("/moderate/import")
    token = await owner.locator("main input[name=csrf]").first.input_value()
    [cookie] = await owner.context.cookies()
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}", "Origin": url, "Sec-Fetch-Site": "same-origin"}

    def build(*parts):
        fields = [f'--xx\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}', *parts, "--xx--\r\n"]
        return "\r\n".join(fields)

    file = '--xx\r\nContent-Disposition: form-data; name="file"; filename="a"'
    for body, kind in {
        build(f"{file}\r\nnonsense\r\n\r\nx"): "; boundary=xx",
        build(f"{file}\r\nX: {'y' * 200_000}\r\n\r\nx"): "; boundary=xx",
        build(file + "\r\nX: y" * 10_000 + "\r\n\r\nx"): "; boundary=xx",
        build(f'--xx\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n{"u" * 99}'): "; boundary=xx",
        "junk" * 50_000 + build(f"{file}\r\n\r\nx"): "; boundary=xx",
        build(f"{file}\r\n\r\nx"): "",
        build(f"{file}\r\n\r\n"): f"; boundary={'x' * 100}",
    }.items():
        more = headers | {"Content-Type": f"multipart/form-data{kind}"}
        async with curl.post(f"{url}/moderate/import", data=body.encode(), headers=more) as response:
            assert response.status in {400, 403}, (body[-200:], await response.text())
    assert not folder.exists() or not [*folder.glob("*-*")]


async def test_only_who_may_do_everything_sees_the_page(at_desk):
    sam, _ = await at_desk("Sam", script=False, **SITE)
    assert await sam.get_by_role("link", name="Import").count() == 0
    assert (await sam.goto("/moderate/import")).status == 403


async def test_an_operator_downloads_an_export_of_a_site(at_desk):
    owner, service = await at_desk("owner", script=False, moderation=Mode.NONE, **SITE)
    await post(service, "Good luck with the move.", site="blog.example")
    await owner.goto("/moderate/import")
    await owner.get_by_label("Format").select_option("csv")
    async with owner.expect_download() as download:
        await owner.get_by_role("button", name="Download").click()
    file = await (await download.value).path()
    assert "Good luck with the move." in await asyncio.to_thread(file.read_text)
