"""Papers for the file: what they show, and to whom."""

from lxml import html

from tests.backend.console.test_pages import sign_in


async def paper(scene, member, kind, language="en"):
    client, _ = await sign_in(scene, member)
    answer = await client.get(f"/console/receivables/{scene.id}/{kind}", params={"language": language})
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.content)


async def sold(scene, units):
    await scene.market.transferred(scene.claim["chain_id"], scene.supplier.account, scene.bank.account, units)


async def test_the_record_of_assignment_shows_how_title_passed(scene):
    await sold(scene, 1_000_000)
    found = await paper(scene, scene.bank, "assignment")
    rows = [[cell.text_content() for cell in row.xpath("td")] for row in found.xpath("//tbody/tr")]
    assert [row[3] for row in rows] == ["EUR 59500.00", "EUR 10000.00"]
    assert rows[0][1] == "issue"
    assert scene.bank.account in rows[1][2]
    assert "I owe this amount and will pay it here" in found.text_content()


async def test_the_notice_tells_the_debtor_who_holds_the_claim(scene):
    await sold(scene, 1_000_000)
    found = await paper(scene, scene.debtor, "notice", "zh")
    assert "债权转让通知" in found.xpath("//h1")[0].text_content()
    assert scene.bank.account in found.text_content()
    assert "只有记录于账本的付款才能使您免责" in found.text_content()


async def test_transfers_among_others_are_left_out_and_that_is_said(scene):
    other = await scene.market.member(4)
    await sold(scene, 1_000_000)
    await scene.market.transferred(scene.claim["chain_id"], scene.supplier.account, other.account, 500)
    found = await paper(scene, scene.bank, "assignment")
    assert other.account not in found.text_content()
    assert "left out" in found.text_content()
    stranger = await scene.market.member(4)
    client, _ = await sign_in(scene, stranger)
    assert (await client.get(f"/console/receivables/{scene.id}/notice")).status_code == 404
