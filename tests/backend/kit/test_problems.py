from backend.kit.problems import FieldError, InvalidRequest, NotFound, Problem


def test_renders_rfc_9457_members():
    assert NotFound().body() == {
        "type": "urn:tallystick:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing at this address, or it is not yours to see.",
    }


def test_speaks_chinese():
    assert "无权查看" in NotFound().body("zh")["detail"]


def test_lists_single_mistakes_and_further_members():
    problem = InvalidRequest(
        errors=[FieldError("/amount", "invalid-cursor"), FieldError("/when", "type", detail="not a date")],
        extra={"operation": "x"},
    )

    body = problem.body()

    assert [error["pointer"] for error in body["errors"]] == ["/amount", "/when"]
    assert body["errors"][1]["detail"] == "not a date"
    assert body["operation"] == "x"


def test_every_problem_has_its_text():
    def all_problems(kind: type[Problem]) -> list[type[Problem]]:
        return [kind, *(each for sub in kind.__subclasses__() for each in all_problems(sub))]

    from backend.kit import messages

    kinds = all_problems(Problem)
    assert len(kinds) >= 4
    assert [kind.code for kind in kinds if not messages.has(kind.code)] == []
    assert [kind.code for kind in kinds if not 400 <= kind.status <= 599] == []
