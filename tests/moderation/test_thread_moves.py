"""A blogger changes the links or the domain of a blog, and the comments follow."""

import pytest
from aiohttp import web
from msgspec import structs

from commentsvc.cli.thread_moves import read_moves
from commentsvc.delivery import redirects
from commentsvc.domain.errors import Conflict, Invalid, NotFound
from commentsvc.domain.models import Mode
from commentsvc.moderation import thread_moves, threads, undo
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery
from commentsvc.moderation.thread_moves import Move, Outcome
from commentsvc.sites.manage import add_site, list_sites
from commentsvc.sites.schemas import NewSite
from tests.conftest import EVERYTHING, a_service, post
from tests.operations.test_operating import run

OLD, NEW = "https://blog.example", "https://new.example"


@pytest.fixture
async def blog(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await add_site(service, EVERYTHING, NewSite(name="blog", origins=[OLD, NEW]))
        for name in ("2026/11/a", "2026/11/b", "about"):
            await post(service, f"On {name}.", thread=f"{OLD}/{name}/")
        yield service


async def keys(service):
    page = await threads.list_threads(service, EVERYTHING, ThreadListQuery(site="blog"))
    return {thread.key: thread.url for thread in page.threads}


async def move(service, *moves, **more):
    return await thread_moves.move_threads(service, EVERYTHING, [Move(*pair) for pair in moves], "blog", **more)


async def test_each_thread_gets_its_new_address_and_keeps_the_earlier_one(blog):
    done = await move(blog, (f"{OLD}/2026/11/a/", f"{OLD}/posts/a/"), ("/about", "/who/"))

    assert (done.moved, done.is_complete) == (2, True)
    assert await keys(blog) == {"/posts/a": f"{OLD}/posts/a/", "/2026/11/b": f"{OLD}/2026/11/b/", "/who": f"{OLD}/who/"}
    again = await move(blog, (f"{OLD}/2026/11/a/", f"{OLD}/posts/a/"), ("/about", "/who/"))
    assert (again.moved, again.unchanged) == (0, 2)


async def test_a_star_moves_every_thread_that_begins_like_that(blog):
    await move(blog, ("/2026/11/*", "/posts/*"))
    assert set(await keys(blog)) == {"/posts/a", "/posts/b", "/about"}


async def test_all_threads_move_to_a_new_domain(blog):
    done = await move(blog, (f"{OLD}/*", f"{NEW}/*"))

    assert done.moved == 3
    assert set((await keys(blog)).values()) == {f"{NEW}/{name}/" for name in ("2026/11/a", "2026/11/b", "about")}


async def test_a_dry_run_says_the_same_and_changes_nothing(blog):
    before = await keys(blog)

    done = await move(blog, ("/2026/11/*", "/posts/*"), ("/none", "/x"), is_dry_run=True)

    assert (done.moved, done.unknown, done.id) == (2, 1, None)
    assert await keys(blog) == before


async def test_what_cannot_be_moved_is_named_and_stops_nothing(blog):
    done = await move(
        blog, ("/none", "/x"), ("/about", "/2026/11/a"), ("/about", "https://other.example/"), ("/2026/11/b", "/b"),
        ("/none/*", "/x/*"),
    )  # fmt: skip

    outcomes = [one.outcome for one in done.threads]
    assert outcomes == [Outcome.UNKNOWN, Outcome.TAKEN, Outcome.INVALID, Outcome.MOVED, Outcome.UNKNOWN]
    assert not done.is_complete
    assert set(await keys(blog)) == {"/2026/11/a", "/b", "/about"}


async def test_all_moves_are_undone_at_once_but_those_that_were_changed_since(blog):
    done = await move(blog, (f"{OLD}/*", f"{NEW}/*"))
    page = await threads.list_threads(blog, EVERYTHING, ThreadListQuery(site="blog"))
    about = next(thread for thread in page.threads if thread.key == "/about")
    await threads.change_thread(blog, EVERYTHING, about.id, ThreadChange(thread=f"{NEW}/who/"))

    undone = await undo.undo_action(blog, EVERYTHING, done.id)

    assert (undone.changed, undone.skipped) == (2, [about.id])
    urls = {f"{OLD}/2026/11/a/", f"{OLD}/2026/11/b/", f"{NEW}/who/"}
    assert set((await keys(blog)).values()) == urls
    with pytest.raises(Conflict):
        await undo.undo_action(blog, EVERYTHING, done.id)
    await undo.undo_action(blog, EVERYTHING, undone.id)
    assert f"{NEW}/2026/11/a/" in (await keys(blog)).values()


@pytest.mark.parametrize(
    ("lines", "moves"),
    [
        (["old,new", "/a,/b"], [("/a", "/b", 2)]),
        (["/a;/b", "", '"/c;d";/e'], [("/a", "/b", 1), ("/c;d", "/e", 3)]),
        (["/a\t/b,c"], [("/a", "/b,c", 1)]),
    ],
)
def test_a_file_of_moves_is_read_as_programs_write_it(lines, moves):
    assert [(one.source, one.target, one.line) for one in read_moves(lines, "file")] == moves


@pytest.mark.parametrize("lines", [[], ["/a"], ["/a,"], ["/a,/b,/c"]])
def test_a_file_that_is_no_list_of_moves_is_refused(lines):
    with pytest.raises(Invalid) as caught:
        read_moves(lines, "file")
    assert caught.value.faults[0].field == "csv"


@pytest.fixture
async def redirecting():
    """A blog on loopback that redirects some pages: ``url, asked``."""
    asked = []
    answers = {
        "/a/": (301, "/posts/a/"), "/b/": (308, "/once/"), "/once/": (302, "/posts/b/"), "/c/": (404, None),
        "/d/": (301, "http://169.254.169.254/secrets"), "/e/": (301, "/e/"),
    }  # fmt: skip

    async def show(request):
        asked.append(request.path)
        status, location = answers.get(request.path, (200, None))
        return web.Response(status=status, headers={"Location": location} if location else {})

    app = web.Application()
    app.router.add_get("/{path:.*}", show)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


async def test_an_undo_of_moves_on_sites_of_others_changes_nothing(blog):
    await add_site(blog, EVERYTHING, NewSite(name="shop", origins=["https://shop.example"]))
    await post(blog, "On the shop.", thread="https://shop.example/a/")
    pairs = [Move("https://shop.example/a/", "https://shop.example/b/"), Move(f"{OLD}/about/", f"{OLD}/who/")]
    done = await thread_moves.move_threads(blog, EVERYTHING, pairs)
    assert done.moved == 2
    mine = (await list_sites(blog, EVERYTHING)).sites
    limited = structs.replace(EVERYTHING, sites=tuple(site.id for site in mine if site.name == "blog"))
    with pytest.raises(NotFound):
        await undo.undo_action(blog, limited, done.id)
    assert "/who" in await keys(blog)
    assert (await undo.undo_action(blog, EVERYTHING, done.id)).changed == 2


async def test_threads_follow_the_permanent_redirects_of_their_blog(served, redirecting):
    url, _ = redirecting
    service = await served(sites=url, moderation=Mode.NONE, outbound_allow="127.0.0.0/8")
    for name in "abcdef":
        await post(service, "Words.", thread=f"{url}/{name}/")

    found = await redirects.find_moves(service, EVERYTHING, None)

    assert found.checked == 6
    assert found.moves == [Move(f"{url}/a/", f"{url}/posts/a/")]
    problems = {one.address.removeprefix(url): one.problem for one in found.unreached}
    assert problems == {
        "/b/": "It answers with status 302.",
        "/c/": "It answers with status 404.",
        "/d/": "It leads to another host, which is no origin of the site.",
        "/e/": "It leads from one redirect to the next.",
    }


def test_an_operator_moves_threads_and_takes_it_back(tmp_path):
    assert run(tmp_path, "migrate", SITES=OLD).returncode == 0
    (tmp_path / "moves.csv").write_text("/a,/b\n", encoding="utf-8")

    done = run(tmp_path, "thread", "move", "--csv", "moves.csv", SITES=OLD)
    assert done.returncode == 1
    assert "no thread has the old address" in done.stdout
    done = run(tmp_path, "thread", "move", "--csv", "none.csv", SITES=OLD)
    assert (done.returncode, "cannot be read" in done.stderr) == (1, True)
    done = run(tmp_path, "thread", "move", SITES=OLD)
    assert done.returncode == 2
