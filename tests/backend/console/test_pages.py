"""The pages: who may see them, in which language, well-formed, without anything that runs or is fetched."""

import re
from itertools import pairwise

import pytest
from lxml import html

from backend.console.session import _own
from backend.verifier import checks


async def sign_in(scene, member, wanted=""):
    client = scene.market.world.client()
    answer = await client.post("/console/sign-in", data={"key": member.user.key, "next": wanted})
    assert answer.status_code == 303, answer.text
    client.cookies.set("tallystick-session", member.user.key)
    return client, answer


async def page(scene, path, member=None, **request):
    client, _ = await sign_in(scene, member or scene.bank)
    answer = await client.get(path, **request)
    return answer, html.fromstring(answer.content)


async def test_the_report_shows_every_check_with_its_word_and_limits(scene):
    answer, found = await page(scene, f"/console/receivables/{scene.id}/verification")
    assert answer.status_code == 200
    assert {each.get("id") for each in found.xpath("//*[@class='checks']/li")} == set(checks.BY_NAME)
    claim = found.get_element_by_id("claim").text_content()
    assert "proved" in claim
    assert "the chain's validators" in claim
    assert "block 100" in claim
    for each in found.xpath("//*[@class='checks']/li"):
        assert each.xpath("p[@class='limits']")[0].text_content().strip()
        assert each.xpath("p[@class='outcome']")[0].text_content().split()[-1]
    assert "Download the bundle" in found.text_content()
    bundle = await scene.bank.user.get(f"/console/receivables/{scene.id}/bundle")
    assert bundle.headers["content-type"] == "application/json"


async def test_it_speaks_the_readers_language_and_has_a_switch(scene):
    path = f"/console/receivables/{scene.id}/verification"
    _, english = await page(scene, path)
    _, chinese = await page(scene, path, headers={"Accept-Language": "zh-CN,en;q=0.5"})
    _, chosen = await page(scene, f"{path}?language=zh")
    assert (english.get("lang"), chinese.get("lang"), chosen.get("lang")) == ("en", "zh-Hans", "zh-Hans")
    assert "核验报告" in chinese.xpath("//h1")[0].text_content()
    links = {each.get("hreflang"): each.get("href") for each in chosen.xpath("//nav//a")}
    assert links == {"en": f"{path}?language=en", "zh-Hans": f"{path}?language=zh"}


async def test_nothing_runs_and_nothing_is_fetched_from_elsewhere(scene):
    answer, found = await page(scene, f"/console/receivables/{scene.id}/verification")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not found.xpath("//script | //style | //iframe | //object | //*[@style]")
    assert not [name for each in found.iter() for name in each.attrib if name.startswith("on")]
    assert [each.get("href") for each in found.xpath("//link")] == ["/console/console.css"]
    assert answer.headers["cache-control"] == "no-store"
    style = await scene.bank.user.get("/console/console.css")
    assert "url(" not in style.text
    assert "@page" in style.text


async def test_headings_landmarks_and_names_are_in_order(scene):
    """WCAG 2.2: 1.3.1, 2.4.1, 2.4.2, 2.4.6, 3.1.1, 4.1.2."""
    _, found = await page(scene, f"/console/receivables/{scene.id}/verification")
    levels = [int(each.tag[1]) for each in found.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert found.xpath("//title")[0].text_content().strip()
    assert found.xpath("//a[@class='skip']")[0].get("href") == "#main"
    ids = [each.get("id") for each in found.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    for each in found.xpath("//*[@aria-labelledby]"):
        assert each.get("aria-labelledby") in ids
    assert all(each.text_content().strip() for each in found.xpath("//a | //button"))


def test_colours_have_the_contrast_that_text_needs():
    """WCAG 2.2, 1.4.3: at least 4.5 to 1 against the page, and against the highlighted row."""
    from backend.console.session import _STYLE

    style = _STYLE.read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", style))
    for name in ("ink", "soft", "link", "good", "bad", "open"):
        for ground in ("#ffffff", "#fff8e1"):
            assert _contrast(colours[name], ground) >= 4.5, name


def _contrast(one, other):
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_a_stranger_sees_a_page_that_says_so_and_nobody_is_asked_to_sign_in(scene):
    stranger = await scene.market.member(4)
    answer, found = await page(scene, f"/console/receivables/{scene.id}/verification", stranger)
    assert answer.status_code == 404
    assert found.xpath("//h1")
    client = scene.market.world.client()
    answer = await client.get(f"/console/receivables/{scene.id}/verification?language=zh")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in?next=%2Fconsole%2Freceivables%2F")


async def test_signing_in_and_out(scene):
    client, answer = await sign_in(scene, scene.bank, f"/console/receivables/{scene.id}/verification")
    assert answer.headers["location"] == f"/console/receivables/{scene.id}/verification"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    listed = await client.get("/console/receivables")
    assert str(scene.id) in listed.text
    wrong = await client.post("/console/sign-in", data={"key": "tsk_wrong"})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (401, True)
    elsewhere = await client.post(
        "/console/sign-in", data={"key": scene.bank.user.key}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert elsewhere.status_code == 403
    out = await client.post("/console/sign-out")
    assert 'tallystick-session=""' in out.headers["set-cookie"]


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example", "//elsewhere.example", "/console//x", "/v1/x", ""]
)
def test_nobody_is_sent_elsewhere(address):
    assert _own(address) == ""
    assert _own("/console/receivables") == "/console/receivables"
