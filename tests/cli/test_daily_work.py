"""An operator looks after threads, comments and sessions at a terminal."""

from commentsvc.access.sign_in import sign_in_by_key
from tests.cli.test_moderate import command, with_service
from tests.conftest import a_key, post, visit


def thread_of(folder, text):
    return command(folder, "thread", "list", "--q", text, "--json").json()["threads"][0]["id"]


def two_threads(folder):
    command(folder, "migrate")

    async def fill(service):
        await post(service, "About lamps", thread="/lamps/", site="blog")
        await post(service, "About \x1b[31mshades", thread="/shades/", site="blog", name="Zo\u202eë")

    with_service(folder, fill)


def test_an_operator_closes_and_opens_a_thread(tmp_path):
    two_threads(tmp_path)
    thread = thread_of(tmp_path, "lamps")
    done = command(tmp_path, "thread", "close", thread)
    assert (done.code, "closed" in done.text, "Undo with:" in done.text) == (0, True, True)
    assert "closed" in command(tmp_path, "thread", "list", "--q", "lamps").text
    assert "Nothing has changed." in command(tmp_path, "thread", "close", thread).text
    assert "open" in command(tmp_path, "thread", "open", thread).text
    again = command(tmp_path, "thread", "close", thread, "--json").json()
    assert command(tmp_path, "undo", again["action"]).code == 0
    assert command(tmp_path, "thread", "list", "--q", "lamps", "--json").json()["threads"][0]["closed"] is False
    refused = command(tmp_path, "thread", "open", thread, "--until", "2001-01-01T00:00:00Z")
    assert (refused.code, "open_until: This time is in the past" in refused.errors) == (1, True)


def test_an_operator_renames_and_merges_threads(tmp_path):
    two_threads(tmp_path)
    lamps = thread_of(tmp_path, "lamps")
    done = command(tmp_path, "thread", "rename", lamps, "--address", "/lights/", "--title", "Lights", "--json").json()
    assert (done["key"], done["title"], done["aliases"]) == ("/lights", "Lights", ["/lamps"])
    assert command(tmp_path, "thread", "rename", lamps).errors == "--address: Give --address, --title or both."
    taken = command(tmp_path, "thread", "rename", lamps, "--address", "/shades/")
    assert (taken.code, "Another thread has this address" in taken.errors) == (1, True)
    merged = command(tmp_path, "thread", "merge", lamps, "/shades/", "--json").json()
    assert set(merged["aliases"]) == {"/lights", "/lamps"}
    assert command(tmp_path, "undo", merged["action"]).code == 0
    assert command(tmp_path, "thread", "merge", "no-id", "/shades/").errors == (
        "Thread not found. See: commentsvc thread list"
    )


def test_an_operator_finds_comments_in_any_status(tmp_path):
    two_threads(tmp_path)
    (found,) = command(tmp_path, "search", "lamps", "--json").json()["comments"]
    command(tmp_path, "spam", found["id"])
    assert "About lamps" in command(tmp_path, "search", "about", "lamps").text
    assert command(tmp_path, "search", "lamps", "--status", "pending").text == "No comments found."
    shown = command(tmp_path, "search", "shades").text
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_an_operator_ends_a_session(tmp_path):
    command(tmp_path, "migrate")

    async def start(service):
        headers = await a_key(service, name="grace")
        await sign_in_by_key(service, headers["Authorization"].split()[1], visit())

    with_service(tmp_path, start)
    shown = command(tmp_path, "session", "list")
    assert "grace" in shown.text
    (one,) = command(tmp_path, "session", "list", "--json").json()["sessions"]
    assert command(tmp_path, "session", "end", one["id"]).text == "Ended the session."
    assert command(tmp_path, "session", "list").text == "No sessions."
    assert command(tmp_path, "session", "end", one["id"]).errors == "Session not found. See: commentsvc session list"
    (entry, *_) = command(tmp_path, "audit", "list", "--json").json()["entries"]
    assert (entry["verb"], entry["body"]) == ("sign_out", {"session": one["id"]})
