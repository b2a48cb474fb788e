"""The page of statistics is accessible, in every colour scheme and on every screen."""

import pytest

from tests.web.test_moderation_page import open_page
from tests.web.test_statistics import fill
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PHONE = {"viewport": {"width": 375, "height": 667}, "is_mobile": True, "has_touch": True}
DEVICES = [
    {"color_scheme": "light"},
    {"color_scheme": "dark", **PHONE},
    {"locale": "ar"},
    {"forced_colors": "active"},
    {"viewport": {"width": 320, "height": 700}},
]
# The dates below the bars, from left to right.
LABELS = """() => {
  const box = one => one.getBoundingClientRect(), card = box(document.querySelector(".chart").parentNode)
  const dates = [...document.querySelectorAll(".plot .tick")].map(box).filter(one => one.width)
  dates.sort((one, other) => one.left - other.left)
  return [dates.every(one => one.left > card.left && one.right < card.right),
    dates.every((one, at) => !at || one.left > dates[at - 1].right + 4)]
}"""


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES, ids=lambda device: "-".join(map(str, device.values()))[:30])
async def test_the_page_is_accessible_and_fits_every_screen(at_desk, clock, device):
    ada, service = await at_desk("owner", person={"bypass_csp": True, **device})
    await open_page(ada, "/moderate/stats")
    await assert_accessible(ada)
    await fill(service, clock)  # which takes days, so that nobody is signed in any more
    ada, _ = await at_desk("owner", beside=service, person={"bypass_csp": True, **device})
    for path in ("/moderate/stats", "/moderate/stats?days=365"):
        await open_page(ada, path)
        await ada.locator("main details").first.evaluate("one => one.open = true")
        await assert_accessible(ada)
        assert await ada.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await ada.evaluate(LABELS) == [True, True], "no date leaves the box or covers another"
