"""What every engine finds of documents that each test writes: scopes, phrases, sounds, synonyms, counts, dates."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.search.engines import (
    ENGINES,
    PUBLIC,
    RAISED,
    Place,
    each,
    numbers,
    place_of,
)

from yetan.api import (
    FACETS,
    PUBLIC_SCOPE,
    SearchBackend,
    SearchDocument,
    SearchQuery,
    Vocabulary,
    person_scope,
    unit_scope,
)
from yetan_search import candidates


def lamp(number: int, title: str = "路灯不亮", **values: object) -> SearchDocument:
    given = SearchDocument(
        f"issue:{number}",
        "issue",
        title,
        units=(number % 2 + 2, 1),
        categories=(7,),
        state="open" if number % 3 else "closed",
        matter="problem",
        raised_at=RAISED + timedelta(days=number),
        year=2026,
        scopes=PUBLIC,
    )
    return replace(given, **values)  # type: ignore[arg-type]


LAMPS = tuple(lamp(number) for number in range(1, 7))


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each engine in turn, without an index yet."""
    return place_of(request, tmp_path / "index")


def test_simplified_characters_find_traditional_text(place: Place) -> None:
    document = SearchDocument("issue:9", "issue", "違章建築", scopes=PUBLIC)
    place.do(lambda backend: backend.apply([document], ()))
    page = place.ask("违章建筑")
    assert page.hits[0].id == 9
    assert page.also_searched == ()


def test_nobody_finds_what_their_scopes_do_not_read(place: Place) -> None:
    documents = [
        SearchDocument("issue:1", "issue", "路灯", scopes=frozenset({unit_scope(1)})),
        SearchDocument("issue:2", "issue", "路灯", numbers=("77",), scopes=frozenset({person_scope(1)})),
        SearchDocument("issue:3", "issue", "路灯", scopes=frozenset({unit_scope(11), person_scope(11)})),
        SearchDocument("issue:4", "issue", "路灯"),
    ]
    place.do(lambda backend: backend.apply(documents, ()))
    assert place.found("路灯", frozenset({PUBLIC_SCOPE})) == []
    assert place.found("77", frozenset({unit_scope(1)})) == []
    assert place.found("路灯", frozenset()) == []
    assert place.found("路灯", frozenset({unit_scope(1)})) == [1]
    assert sorted(place.found("路灯", frozenset({person_scope(1), unit_scope(11)}))) == [2, 3]


def test_odd_documents_are_found(place: Place) -> None:
    long = SearchDocument("issue:1", "issue", "\x00𠮷" + "x" * 100_000, "路灯不亮。" * 3_000, scopes=PUBLIC)
    place.do(lambda backend: backend.apply([long], ()))
    assert place.found("𠮷") == [1]
    assert place.found("路灯") == [1]


def test_results_are_counted_by_facet_within_scope_and_filters(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([*LAMPS, lamp(99, scopes=frozenset({unit_scope(1)}))], ())
        page = await backend.search(SearchQuery("路灯", PUBLIC, facets=frozenset(FACETS), limit=1))
        assert page.facets == {
            "unit": {"1": 6, "2": 3, "3": 3},
            "category": {"7": 6},
            "state": {"open": 4, "closed": 2},
            "kind": {"issue": 6},
            "matter": {"problem": 6},
            "year": {"2026": 6},
        }
        page = await backend.search(SearchQuery("路灯", PUBLIC, unit=2, state="open", facets=frozenset({"state"})))
        assert page.facets == {"state": {"open": page.total}}
        assert numbers(page) == [4, 2]
        await backend.apply([], ["issue:4"])
        page = await backend.search(SearchQuery("路灯", PUBLIC, unit=2, facets=frozenset({"unit"})))
        assert page.facets == {"unit": {"1": 2, "2": 2}}

    place.do(work)


def test_results_come_by_date_page_by_page(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([*LAMPS, lamp(7, "路边停水")], ())
        newest = SearchQuery("路灯", PUBLIC, sort="newest", limit=4)
        assert numbers(await backend.search(newest)) == [6, 5, 4, 3]
        assert numbers(await backend.search(replace(newest, offset=4))) == [2, 1]
        assert numbers(await backend.search(replace(newest, sort="oldest", limit=2))) == [1, 2]
        assert (await backend.search(newest)).total == 6

    place.do(work)


def test_where_nothing_holds_all_of_the_words_dates_sort_what_holds_some(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, "电梯坏了"), lamp(2, "噪音太大")], ())
        page = await backend.search(SearchQuery("电梯 噪音", PUBLIC, sort="newest"))
        assert numbers(page) == [2, 1]
        assert page.whole == 0
        assert all(hit.partial for hit in page.hits)

    place.do(work)


def test_suggestions_are_words_that_the_asker_may_find(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, "路灯不亮"), lamp(2, "路障倒了", scopes=frozenset({unit_scope(9)}))], ())
        assert await backend.suggest("路", PUBLIC, frozenset({"issue"}), 5) == ("路灯",)
        assert await backend.suggest("lu", PUBLIC, frozenset({"issue"}), 5) == ("路灯",)
        assert await backend.suggest("路", frozenset({unit_scope(9)}), frozenset(), 5) == ("路障",)
        assert await backend.suggest("路", PUBLIC, frozenset({"letter"}), 5) == ()
        assert await backend.suggest("", PUBLIC, frozenset(), 5) == ()

    place.do(work)


def test_words_lead_by_their_sound_as_soon_as_a_document_has_them(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        assert (await backend.search(SearchQuery("luohu", PUBLIC))).hits == ()
        await backend.apply([lamp(1, "新生儿落户")], ())
        page = await backend.search(SearchQuery("luohu", PUBLIC))
        assert (numbers(page), page.guessed) == ([1], ("落户",))
        await backend.rebuild(each(lamp(2, "户口迁移")))
        assert (await backend.search(SearchQuery("luohu", PUBLIC))).guessed == ()

    place.do(work)


def test_phrases_are_found_in_every_part_of_a_document(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        documents = [
            lamp(1, "灯坏了不亮"),
            lamp(2, text="说灯坏了。"),
            lamp(3, reply="已知灯坏了"),
            lamp(4, place="灯坏了街"),
            lamp(5, text="坏了，灯。"),
        ]
        await backend.apply(documents, ())
        page = await backend.search(SearchQuery('"灯坏了"', PUBLIC))
        assert sorted(numbers(page)) == [1, 2, 3, 4]
        assert sorted(numbers(await backend.search(SearchQuery('路灯 -"灯坏了"', PUBLIC)))) == [5]

    place.do(work)


def test_synonyms_hold_from_the_next_search_on(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, "灯杆倒了")], ())
        query = SearchQuery("电桩子", PUBLIC)
        assert (await backend.search(query)).hits == ()
        backend.learn(Vocabulary(synonyms=(("电樁子", "灯杆"),)))
        assert numbers(await backend.search(query)) == [1]
        assert backend.highlight("新灯杆倒了", "电桩子", length=0) == (("新", False), ("灯杆", True), ("倒了", False))
        assert backend.same_as("电桩子") == ("灯杆",)
        backend.learn(Vocabulary())
        assert (await backend.search(query)).hits == ()
        assert "塞车" in backend.same_as("堵车")

    place.do(work)


def test_numbers_asked_for_besides_the_text_find_whole(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, numbers=("3/13900001234",))], ())
        assert (await backend.search(SearchQuery("13900001234", PUBLIC))).hits == ()
        query = SearchQuery("13900001234", PUBLIC, numbers=frozenset({"3/13900001234"}))
        assert numbers(await backend.search(query)) == [1]

    place.do(work)


def test_pages_are_whole_beyond_those_that_are_ranked_exactly(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "CANDIDATES", 3)

    async def work(backend: SearchBackend) -> None:
        await backend.apply(LAMPS, ())
        query = SearchQuery("路灯", PUBLIC, limit=2)
        pages = [await backend.search(replace(query, offset=offset)) for offset in range(0, 8, 2)]
        assert sorted(key for page in pages for key in numbers(page)) == [1, 2, 3, 4, 5, 6]
        assert [page.total for page in pages] == [6, 6, 6, 6]
        assert all(not hit.partial for page in pages for hit in page.hits)

    place.do(work)
