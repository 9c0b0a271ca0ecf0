"""What a failed assertion says to its reader, apart from pytest's account of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StackError
from harness.probes.exchange import Exchange, SentRequest
from harness.probes.http import ServiceUnavailable
from harness.pytest_plugin.sentences import Complaint, Said, cause_of, keep_sentences_apart, said_by

URL = "http://127.0.0.1:9"


def exchange(path: str, status: int = 200) -> Exchange:
    return Exchange(method="GET", url=URL + path, status=status, headers=(), body=b"", size=0, elapsed_s=0.1)


def said_of(check, *sent: Exchange) -> Said:
    undo = keep_sentences_apart()
    try:
        check()
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever ended it is looked at
        return said_by(error, sent)
    finally:
        undo()
    raise RuntimeError("it was to fail")


def test_the_authors_sentence_is_all_that_is_said():
    def check():
        kind = ""
        assert kind == "nosniff", "GET / answered 200 without\nX-Content-Type-Options: nosniff, 100 % of the time"

    said = said_of(check)
    assert said.sentence == "GET / answered 200 without\nX-Content-Type-Options: nosniff, 100 % of the time"
    assert said.pytest_words.startswith("assert '' == 'nosniff'")
    assert "\n" in said.pytest_words


def test_an_error_of_the_harness_is_told_without_its_class():
    def check():
        raise StackError("package locust is not installed")

    assert said_of(check).sentence == "package locust is not installed"


def test_a_sentence_that_holds_pytests_own_words_is_not_cut():
    def check():
        assert not True, "do not\nassert things, say\n>assert"

    assert said_of(check).sentence == "do not\nassert things, say\n>assert"


def test_several_sentences_are_one_after_another():
    def check():
        problems = ["no title", "no language"]
        assert not problems, problems

    assert said_of(check).sentence == "no title; no language"


def test_without_a_sentence_the_expectation_is_quoted_with_what_was_there():
    def check():
        status = 500
        assert status == 200

    said = said_of(check)
    assert said.sentence == "the test expects `status == 200`, and sees `500 == 200`"
    assert said.pytest_words == "assert 500 == 200"


@pytest.mark.parametrize("message", ["", "  "])
def test_an_empty_sentence_is_none(message):
    def check():
        assert [] != [], message

    assert said_of(check).sentence == "the test expects `[] != []`"


def test_a_crash_has_no_sentence():
    assert said_of(lambda: {}["missing"]) == Said(sentence="")


def test_an_assertion_that_pytest_did_not_rewrite_speaks_too():
    def check():
        raise AssertionError("the answer has no body")

    def silent():
        raise AssertionError

    assert said_of(check).sentence == "the answer has no body"
    assert said_of(silent).sentence == "an assertion does not hold"


def test_a_service_that_does_not_answer_is_named_without_its_curl():
    def check():
        raise ServiceUnavailable("nobody listens", SentRequest(method="GET", url=f"{URL}/x"))

    assert said_of(check).sentence == "GET /x was not answered: nobody listens"


def test_an_assertion_that_was_caught_leaves_nothing_behind():
    def check():
        with pytest.raises(AssertionError):
            assert not True, "caught"
        assert not 1

    assert said_of(check).sentence == "the test expects `not 1`"


def test_the_request_is_that_which_the_assertion_names():
    before, answer, after = exchange("/before"), exchange("/wrong", 500), exchange("/after")

    def check():
        others = [before, after]
        assert answer.status == 200, f"{len(others)} others are well"

    assert said_of(check, before, answer, after).exchange is answer


def test_of_several_named_requests_it_is_the_last_that_was_sent():
    first, second, third = exchange("/1"), exchange("/2"), exchange("/3")

    def check():
        assert second.body != first.body

    assert said_of(check, first, second, third).exchange is second


def test_what_was_made_of_an_answer_stands_for_it():
    answer, after = exchange("/page"), exchange("/favicon.ico")

    def check():
        policy = answer.header("Content-Security-Policy")
        assert policy

    assert said_of(check, answer, after).exchange is answer


def test_a_complaint_names_request_and_cause():
    answer, after = exchange("/page"), exchange("/favicon.ico")

    def check():
        assert not after, Complaint(sentence="it leaks", exchange=answer, cause="leak")

    said = said_of(check, answer, after)
    assert (said.sentence, said.exchange, said.cause) == ("it leaks", answer, "leak")


@pytest.mark.parametrize(
    ("sentence", "places", "cause"),
    [
        ("GET / answered 200 with text/html", ["/"], "GET {place} answered 200 with text/html"),
        ("GET /about answered 200 with text/html.", ["/about"], "GET {place} answered 200 with text/html."),
        ("GET /html answered text/html", ["/html"], "GET {place} answered text/html"),
        ("GET /a/b is no /a", ["/a"], "GET /a/b is no {place}"),
        ("GET /a?b=1 and '/a'", ["/a", "/a?b=1"], "GET {place} and '{place}'"),
        ("seen at (/a), /a.html, /a.", ["/a"], "seen at ({place}), /a.html, {place}."),
        ("GET /a: no title", ["GET /a", "/a"], "{place}: no title"),
        ("no place", [""], "no place"),
    ],
)
def test_a_cause_is_the_sentence_without_its_place(sentence, places, cause):
    assert cause_of(sentence, "", (), places) == cause


@given(st.lists(st.from_regex(r"/[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), min_size=2, max_size=6, unique=True))
def test_one_sentence_at_many_places_has_one_cause(paths):
    causes = {cause_of(f"GET {path} answered 200 without a title (text/html, {path})", path, ()) for path in paths}
    assert len(causes) == 1
