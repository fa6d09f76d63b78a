"""What was read beside the original: every value with its place, nothing that runs."""

from typing import Any

import pytest
from lxml import html

from backend.invoices import facsimile
from backend.invoices.reading import read
from backend.kit.access import Role
from tests.backend.invoices import samples
from tests.backend.invoices.conftest import Shop
from tests.backend.invoices.test_formats import FAPIAO, INV_01, packed


def placed(data: bytes) -> dict[str, str | None]:
    """Each term with the text of the element it is said to stand in."""
    both = facsimile.make(data, read(data))
    said = {each.number: each.text for each in both.elements}
    return {field.term: said[field.place] if field.place is not None else None for field in both.fields}


@pytest.mark.parametrize(
    "data", [samples.UBL, samples.CII, samples.pdf({"factur-x.xml": samples.CII})], ids=["ubl", "cii", "pdf"]
)
def test_every_value_has_its_place(data: bytes) -> None:
    found = placed(data)

    assert {term for term, text in found.items() if text is None} == set()
    assert (found["BT-1"], found["BT-115"]) == ("ET-2026/0117", "5949.41")
    assert (found["BT-31"], found["BT-13"]) == ("DE999999911", "PO-88120")


def test_what_is_worked_out_has_none() -> None:
    derived = samples.changed(
        samples.UBL,
        ("<cbc:DueDate>2027-01-31</cbc:DueDate>", ""),
        ("<cbc:Note>90 days net<", "<cbc:Note>30 days net<"),
    )
    found = placed(derived)

    assert found["BT-9"] is None
    assert found["BT-20"] == "30 days net"


def test_other_originals() -> None:
    assert placed(FAPIAO)["BT-1"] == "26990000000000000117"
    assert placed(packed({"a.xml": FAPIAO}))["BT-27"] == "示例工具有限公司"
    as_json = facsimile.make(INV_01, read(INV_01))
    assert not as_json.elements
    assert '"No": "ET/26-27/117"' in as_json.text


async def shown(shop: Shop, user: Any, path: str, language: str = "en") -> tuple[Any, html.HtmlElement]:
    client = shop.world.client()
    client.cookies.set("tallystick-session", user.key)
    answer = await client.get(path, params={"language": language})
    return answer, html.fromstring(answer.content)


async def test_the_page_has_both_sides(shop: Shop) -> None:
    document = samples.pdf({"factur-x.xml": samples.CII})
    invoice_id = (await shop.bring(document)).json()["id"]
    path = f"/console/invoices/{invoice_id}"
    answer, found = await shown(shop, shop.seller, path)

    assert answer.status_code == 200, answer.text
    for link in found.xpath("//td/a"):
        (target,) = found.xpath(f"//*[@id='{link.get('href')[1:]}']")
        assert "placed" in target.get("class")
    assert len(found.xpath("//td/a")) >= 15
    assert "5949.41" in found.xpath("//table")[0].text_content()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not found.xpath("//script | //style | //*[@style]")

    (picture,) = found.xpath("//object/@data")
    seen, _ = await shown(shop, shop.buyer, picture)
    assert (seen.content, seen.headers["content-type"]) == (document, "application/pdf")
    assert "frame-ancestors 'self'" in seen.headers["content-security-policy"]
    _, found = await shown(shop, shop.buyer, path, "zh")
    assert "应付金额" in found.text_content()
    assert [found.get("lang")] == ["zh-Hans"]
    assert invoice_id in (await shown(shop, shop.buyer, "/console/invoices"))[0].text


async def test_it_shows_nothing_to_others_and_runs_nothing(shop: Shop) -> None:
    attack = samples.changed(
        samples.UBL, ("Goods remain ours until paid.", "&lt;script&gt;alert(1)&lt;/script&gt;")
    )
    invoice_id = (await shop.bring(attack)).json()["id"]
    path = f"/console/invoices/{invoice_id}"

    assert (await shown(shop, shop.stranger, path))[0].status_code == 404
    assert (await shown(shop, shop.seller, f"{path}/picture"))[0].status_code == 404
    _, found = await shown(shop, await shop.world.user(Role.AUDITOR), path)
    assert not found.xpath("//script")
    assert "<script>alert(1)" in found.text_content()
