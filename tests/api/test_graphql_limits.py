"""What one query may ask for."""

import pytest
from graphql import GraphQLError, get_introspection_query

from keepsake.api.graphql.limits import (
    MOST_ALIASES,
    MOST_DEPTH,
    MOST_JOBS,
    MOST_REPEATED,
    parse_limited,
)

JOBS = "{ jobs%s { edges { node { id status attempts { outcome error } children { id } } } } }"


def refused(query: str, **variables: object) -> str:
    """Why a query is refused."""
    with pytest.raises(GraphQLError) as error:
        parse_limited(query, variables)
    return error.value.message


def test_what_a_page_of_jobs_needs_is_allowed() -> None:
    parse_limited(JOBS % "", {})
    parse_limited(JOBS % f"(first: {MOST_JOBS})", {})


def test_what_tools_ask_about_the_schema_is_allowed() -> None:
    parse_limited(get_introspection_query(input_value_deprecation=True), {})


def test_a_document_has_a_bound() -> None:
    assert "500 tokens" in refused("{" + "jobTypes { name }" * 200 + "}")


def test_a_query_is_so_deep_at_most() -> None:
    inner = "{ children " * (MOST_DEPTH - 1) + "{ id }" + " }" * (MOST_DEPTH - 1)
    assert f"{MOST_DEPTH + 1} levels, at most {MOST_DEPTH}" in refused(
        "{ job(id: 1) " + inner + "}"
    )


def test_fragments_hide_no_depth() -> None:
    fragments = " ".join(
        f"fragment f{n} on Job {{ children {{ ...f{n + 1} }} }}" for n in range(MOST_DEPTH)
    )
    last = f"fragment f{MOST_DEPTH} on Job {{ id }}"
    assert "levels" in refused(f"{{ job(id: 1) {{ ...f0 }} }} {fragments} {last}")


def test_a_query_has_so_many_aliases_at_most() -> None:
    names = " ".join(f"a{n}: job(id: {n}) {{ id }}" for n in range(MOST_ALIASES + 1))
    assert f"{MOST_ALIASES + 1} aliases, at most {MOST_ALIASES}" in refused(f"{{ {names} }}")


@pytest.mark.parametrize(
    "query",
    [
        "{ job(id: 1) { %s } }" % ("id " * (MOST_REPEATED + 1)),
        "{ job(id: 1) { %s } }" % ("... { id } " * (MOST_REPEATED + 1)),
        "{ job(id: 1) { id } } fragment f on Job { %s }" % ("id " * MOST_REPEATED),
    ],
    ids=["field", "inline", "fragment that is not spread"],
)
def test_a_field_is_not_repeated_at_will(query: str) -> None:
    assert "times the same field" in refused(query)


def test_fragments_hide_no_aliases() -> None:
    spread = "...f " * (MOST_ALIASES + 1)
    assert "aliases" in refused(f"{{ job(id: 1) {{ {spread} }} }} fragment f on Job {{ a: id }}")


def test_questions_about_the_schema_hide_no_aliases() -> None:
    names = " ".join(f"a{n}: name" for n in range(MOST_ALIASES + 1))
    assert "aliases" in refused(f"{{ __schema {{ types {{ {names} }} }} }}")


@pytest.mark.parametrize(
    ("first", "variables"),
    [
        ("100", {}),
        ("100000", {}),
        ("-100000", {}),
        ("$n", {"n": 100}),
        ("$n", {"n": -100}),
        ("$n", {"n": "much"}),
        ("$n", {}),
    ],
)
def test_a_list_counts_as_long_as_it_may_be(first: str, variables: dict[str, object]) -> None:
    fields = " ".join(f"{name} {name} {name} {name} {name}" for name in ("id", "tag", "type"))
    query = "query ($n: Int) { jobs(first: %s) { edges { node { %s children { %s } } } } }"
    assert "fields in the answer" in refused(query % (first, fields, fields), **variables)
    parse_limited(query % ("$n", fields, fields), {"n": 10})


def test_lists_within_lists_multiply() -> None:
    nested = "{ jobs { edges { node { children { children { id } } } } } }"
    assert "fields in the answer" in refused(nested)


def test_a_fragment_that_is_spread_again_and_again_is_measured_in_no_time() -> None:
    fragments = " ".join(f"fragment f{n} on Job {{ ...f{n + 1} ...f{n + 1} }}" for n in range(40))
    query = f"{{ job(id: 1) {{ ...f0 }} }} {fragments} fragment f40 on Job {{ id }}"
    assert "fields in the answer" in refused(query)


def test_a_fragment_that_spreads_itself_has_an_end() -> None:
    parse_limited(
        "{ job(id: 1) { ...a } } fragment a on Job { ...b } fragment b on Job { ...a }", {}
    )


@pytest.mark.parametrize("nested", ["{ a(b: " + "[" * 450, "{ a" * 160 + "}" * 160])
def test_what_is_nested_beyond_all_is_refused(nested: str) -> None:
    assert "levels" in (why := refused(nested)) or "too deeply" in why
