"""A site decides what its form asks for: a website, and consent to store data."""

from commentsvc.web.routes import application
from tests.conftest import a_key, fields_of

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
CONSENT = ("consent", "required")
CHANGE = {"website_field": True, "privacy_url": "https://blog.example/privacy", "consent_required": True}


def codes(problem):
    return [(fault["field"], fault["code"]) for fault in problem["errors"]]


async def change_form(client, owner, change):
    """Change what the form of the site asks for; return the status and the body of the answer."""
    [site] = (await (await client.get("/v1/sites", headers=owner)).json())["sites"]
    answer = await client.patch(f"/v1/sites/{site['id']}", json=change, headers=owner)
    return answer.status, await answer.json()


async def test_an_owner_changes_what_the_form_asks_for_and_undoes_it(service, aiohttp_client):
    client, owner = await aiohttp_client(application(service)), await a_key(service)
    for wrong in ("", "javascript:alert(1)", "https://a b", 5, True):
        status, problem = await change_form(client, owner, {"privacy_url": wrong})
        assert (status, codes(problem)[0][0]) == (422, "privacy_url"), wrong
    status, changed = await change_form(client, owner, CHANGE)
    assert (status, changed | CHANGE) == (200, changed)
    form = await (await client.get("/v1/comments.html?thread=/a-page/")).text()
    assert all(part in form for part in ('name="website"', 'name="consent"', 'href="https://blog.example/privacy"'))
    undone = await client.post(f"/v1/moderation/actions/{changed['action']}/undo", headers=owner)
    assert undone.status == 200
    form = await (await client.get("/v1/comments.html?thread=/a-page/")).text()
    assert not any(part in form for part in ('name="website"', 'name="consent"', "How we use your data"))


async def test_a_comment_without_consent_is_refused_where_the_site_requires_it(service, aiohttp_client):
    client, owner = await aiohttp_client(application(service)), await a_key(service)
    await change_form(client, owner, CHANGE)
    assert (await (await client.get("/v1/form")).json())["consent_required"]
    for consent in ({}, {"consent": False}):
        refused = await client.post("/v1/comments", json=fields_of(**consent))
        assert (refused.status, codes(await refused.json())) == (422, [CONSENT]), consent
    both = await client.post("/v1/comments", json=fields_of(name=" "))
    assert sorted(codes(await both.json())) == [CONSENT, ("name", "required")]
    strange = await client.post("/v1/comments", json=fields_of(consent="perhaps"))
    assert codes(await strange.json()) == [("consent", "invalid")]
    assert (await client.post("/v1/comments", json=fields_of(consent=True))).status == 202


async def test_a_commenter_without_script_keeps_what_was_typed_and_ticks_the_box(service, aiohttp_client):
    client, owner = await aiohttp_client(application(service)), await a_key(service)
    await change_form(client, owner, CHANGE)
    fields = fields_of(website="mia.example")
    page = await client.post("/v1/comments", data=fields, headers=BROWSER, allow_redirects=False)
    text = await page.text()
    assert page.status == 422
    assert "Tick this box to post your comment." in text
    assert 'value="mia.example"' in text
    ticked = fields | {"consent": "on"}
    assert (await client.post("/v1/comments", data=ticked, headers=BROWSER, allow_redirects=False)).status == 303
