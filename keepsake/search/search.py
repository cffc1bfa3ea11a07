"""Search in what one owner keeps, stories and bookmarks alike: by meaning and by words, fused.

Passages are embedded by one model; a search looks only at passages of the model it was asked with,
so vectors of different models never meet. What a passage is stands with the step that makes it.
Text that has no passages yet is searched by its words.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from keepsake import lines
from keepsake.database import Connection, Migration, connect, migrate
from keepsake.pipeline.ledger.repair import hold_switched_off
from keepsake.search.about import about, text
from keepsake.settings import Settings
from keepsake.text.spans import passages

CANDIDATES = 200  # passages each of the two searches contributes at most; a record may have many
LETTERS = 10  # a shorter text is near to anything: "hi" has a cosine of 0.63 to "zzzzqqq"
RANK_CONSTANT = 60  # of reciprocal rank fusion: how slowly a lower rank loses weight
READ_AT_MOST = 100  # records without passages whose text one search reads, the newest
CHARS_AT_MOST = 200_000  # of each of them
SNIPPET_WORDS = 80
# "Was" says nothing of what a German looks for, nor "what" in English: they are not marked.
STOP_WORDS_OF = [
    f"{language}_stem"
    for language in (
        "english", "german", "spanish", "french", "italian", "portuguese", "dutch"
    )
]  # fmt: skip


@dataclass(frozen=True)
class Hit:
    """The passage of a record that fits best; a record is one hit.

    Attributes:
        by: who said it, or the site it stands on.
        url: of the page, for a bookmark.
        starts_at, ends_at: seconds into the recording, None for what is written.
        score: by which hits are ordered: the sum of 1 / (60 + rank) over both searches.
        similarity: cosine to the query; None where there is no vector yet.
        marks: where words of the query stand in `text`: first character and the one behind.
    """

    record_id: int
    line: str
    title: str | None
    by: str | None
    url: str | None
    recorded_at: datetime
    text: str
    starts_at: float | None
    ends_at: float | None
    score: float
    similarity: float | None
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Answer:
    """What was found, and what could not be looked at yet.

    Attributes:
        hits: the best first.
        processing: records of the owner that have no passages yet, and are being worked on. Their
            text, where it is known already, was searched by words.
        anything: whether the owner has passages of the model in force.
        of_other_models: whether the owner has passages of another model, which were searched by
            words only.
    """

    hits: list[Hit]
    processing: int
    anything: bool
    of_other_models: bool


def search(
    connection: Connection,
    vector: Iterable[float],
    *,
    query: str,
    owner_id: int,
    model: str,
    dimensions: int,
    floor: float | None = None,
    limit: int = 5,
) -> list[Hit]:
    """The records of an owner nearest to `vector` or holding the words of `query`, best first.

    Args:
        connection: to the database.
        vector: of `query`, by `model`, `dimensions` long.
        query: words, "phrases", -exclusions and `or`, as in a web search.
        owner_id: whose passages; no other's are looked at.
        model: the embeddings model; passages of another are left out.
        dimensions: the length of the model's vectors.
        floor: the least cosine at which a passage is near; None: any is. Words need none. Under a
            floor, passages shorter than `LETTERS` are found by their words only.
        limit: the most hits returned.
    """
    statement = SQL(
        """
        WITH near AS (
            SELECT record_id, position, row_number() OVER (ORDER BY distance) AS rank FROM (
                SELECT record_id, position, {distance} AS distance FROM passages
                WHERE {same_model} AND owner_id = %(owner)s AND length(text) >= %(letters)s
                ORDER BY {distance} LIMIT %(candidates)s) AS nearest
            WHERE distance <= %(farthest)s
        ), words AS (
            SELECT record_id, position, row_number() OVER (
                ORDER BY ts_rank_cd(search, wanted) DESC, record_id, position) AS rank
            FROM passages, websearch_to_tsquery('simple', %(query)s) AS wanted
            WHERE {same_model} AND owner_id = %(owner)s AND search @@ wanted
            ORDER BY rank LIMIT %(candidates)s
        ), fused AS (
            SELECT record_id, position, sum(1.0 / (%(constant)s + rank))::float8 AS score
            FROM (SELECT * FROM near UNION ALL SELECT * FROM words) AS found
            GROUP BY record_id, position
        ), best AS (
            SELECT * FROM (SELECT DISTINCT ON (record_id) record_id, position, score FROM fused
                           ORDER BY record_id, score DESC, position) AS of_each_record
            ORDER BY score DESC, record_id LIMIT %(limit)s
        )
        SELECT p.record_id, r.line, about.title, about.by, about.url, r.recorded_at,
               p.text, p.starts_at, p.ends_at, f.score,
               1 - {distance} AS similarity
        FROM best f
        JOIN passages p USING (record_id, position)
        JOIN records r ON r.id = p.record_id
        {about}
        ORDER BY f.score DESC, p.record_id
        """
    ).format(
        distance=_distance(dimensions),
        same_model=_same_model(model, dimensions),
        about=about(),
    )
    parameters = {
        "vector": "[" + ",".join(f"{x:.6g}" for x in vector) + "]",
        "owner": owner_id,
        "candidates": CANDIDATES,
        "letters": 0 if floor is None else LETTERS,
        "farthest": 2.0 if floor is None else 1 - floor,
        "query": query,
        "constant": RANK_CONSTANT,
        "limit": limit,
    }
    with connection.transaction(), connection.cursor(row_factory=class_row(Hit)) as cursor:
        # Without it, an owner with few of many passages gets fewer hits than there are: the index
        # gives the nearest of everybody's, and the owner's are filtered out of those.
        cursor.execute("SET LOCAL hnsw.iterative_scan = 'strict_order'")
        hits = cursor.execute(statement, parameters).fetchall()
    words = _telling_words(connection, query)
    return [replace(hit, marks=tuple(_marks(hit.text, words))) for hit in hits]


async def ask(
    connection: Connection,
    settings: Settings,
    query: str,
    *,
    owner_id: int,
    limit: int = 5,
    however_far: bool = False,
) -> Answer:
    """Embed `query` with the model in force, search with it, and look at what has no passages yet.

    Args:
        connection: to the database.
        settings: which model embeds.
        query: as in `search`.
        owner_id: whose records.
        limit: the most hits returned.
        however_far: take what is nearest even below the model's floor.

    Raises:
        StepError: the embeddings endpoint gave no vector.
    """
    from keepsake.clients.models import open_models

    async with open_models(settings) as models:
        (vector,) = await models.embeddings.embed([query])
        model, dimensions = models.embeddings.model, models.embeddings.dimensions
        floor = None if however_far else models.embeddings.about.relevant
    hits = search(
        connection,
        vector.tolist(),
        query=query,
        owner_id=owner_id,
        model=model,
        dimensions=dimensions,
        floor=floor,
        limit=limit,
    )
    found = {hit.record_id for hit in hits}
    by_words = search_unembedded(connection, query, owner_id=owner_id, limit=limit)
    anything, of_other_models = _kept(connection, owner_id, model, dimensions)
    if of_other_models:
        by_words += search_other_models(
            connection, query, owner_id=owner_id, model=model, dimensions=dimensions, limit=limit
        )
    hits += [hit for hit in by_words if hit.record_id not in found]
    hits.sort(key=lambda hit: -hit.score)
    return Answer(hits[:limit], records_processing(connection, owner_id), anything, of_other_models)


def embedding_steps() -> list[str]:
    """The steps that make what is searched by meaning."""
    return [module.embeddings for module in lines.LINES if module.embeddings]


def records_processing(connection: Connection, owner_id: int) -> int:
    """How many records of an owner are on their way to their first passages."""
    row = connection.execute(
        "SELECT count(*) FROM ledger l JOIN records r ON r.id = l.record_id"
        " WHERE r.owner_id = %s AND l.due_at IS NOT NULL AND l.step = ANY(%s)"
        " AND l.status <> 'succeeded'",
        (owner_id, embedding_steps()),
    ).fetchone()
    return int(row[0]) if row else 0


def search_unembedded(
    connection: Connection, query: str, *, owner_id: int, limit: int = 5
) -> list[Hit]:
    """Records of an owner without passages whose text, if it is known already, holds the words.

    That is, of those that have none yet, and of lines that make none. The newest `READ_AT_MOST` of
    each are read, since no index helps. A hit's `text` is the stretch with the first of the words.
    """
    statement = SQL(
        """
        WITH unembedded AS (
            (SELECT r.id, r.line FROM ledger l JOIN records r ON r.id = l.record_id
             WHERE r.owner_id = %(owner)s AND l.due_at IS NOT NULL AND l.step = ANY(%(steps)s)
               AND l.status <> 'succeeded'
             ORDER BY r.id DESC LIMIT %(most)s)
            UNION ALL
            (SELECT id, line FROM records WHERE owner_id = %(owner)s AND line = ANY(%(without)s)
             ORDER BY id DESC LIMIT %(most)s)
        ), read AS (
            SELECT r.id AS record_id, left({text}, %(chars)s) AS text FROM unembedded r
        ), matching AS (
            SELECT record_id, text, row_number() OVER (
                ORDER BY ts_rank_cd(to_tsvector('simple', text), wanted) DESC, record_id) AS rank
            FROM read, websearch_to_tsquery('simple', %(query)s) AS wanted
            WHERE to_tsvector('simple', text) @@ wanted
            ORDER BY rank LIMIT %(limit)s
        )
        SELECT p.record_id, r.line, about.title, about.by, about.url, r.recorded_at,
               p.text, NULL::real AS starts_at, NULL::real AS ends_at,
               (1.0 / (%(constant)s + p.rank))::float8 AS score, NULL::float8 AS similarity
        FROM matching p
        JOIN records r ON r.id = p.record_id
        {about}
        ORDER BY p.rank
        """
    ).format(text=text(), about=about())
    parameters = {
        "owner": owner_id,
        "steps": embedding_steps(),
        "without": [m.name for m in lines.LINES if m.text and not m.embeddings],
        "most": READ_AT_MOST,
        "chars": CHARS_AT_MOST,
        "query": query,
        "limit": limit,
        "constant": RANK_CONSTANT,
    }
    with connection.cursor(row_factory=class_row(Hit)) as cursor:
        hits = cursor.execute(statement, parameters).fetchall()
    words = _telling_words(connection, query) if hits else set()
    return [_cut_to_the_words(hit, words) for hit in hits]


def search_other_models(
    connection: Connection,
    query: str,
    *,
    owner_id: int,
    model: str,
    dimensions: int,
    limit: int = 5,
) -> list[Hit]:
    """Records of an owner whose passages are of another model than this one, by their words.

    Their vectors cannot be compared, but their words can: whoever takes another model finds what
    was embedded before.
    """
    statement = SQL(
        """
        WITH matching AS (
            SELECT DISTINCT ON (record_id) record_id, text, starts_at, ends_at,
                   ts_rank_cd(search, wanted) AS fit
            FROM passages, websearch_to_tsquery('simple', %(query)s) AS wanted
            WHERE NOT ({same_model}) AND owner_id = %(owner)s AND search @@ wanted
            ORDER BY record_id, fit DESC, position
        ), p AS (
            SELECT *, row_number() OVER (ORDER BY fit DESC, record_id) AS rank FROM matching
            ORDER BY rank LIMIT %(limit)s
        )
        SELECT p.record_id, r.line, about.title, about.by, about.url, r.recorded_at,
               p.text, p.starts_at, p.ends_at,
               (1.0 / (%(constant)s + p.rank))::float8 AS score, NULL::float8 AS similarity
        FROM p
        JOIN records r ON r.id = p.record_id
        {about}
        ORDER BY p.rank
        """
    ).format(same_model=_same_model(model, dimensions), about=about())
    parameters = {"owner": owner_id, "query": query, "limit": limit, "constant": RANK_CONSTANT}
    with connection.cursor(row_factory=class_row(Hit)) as cursor:
        hits = cursor.execute(statement, parameters).fetchall()
    words = _telling_words(connection, query) if hits else set()
    return [replace(hit, marks=tuple(_marks(hit.text, words))) for hit in hits]


def _kept(connection: Connection, owner_id: int, model: str, dimensions: int) -> tuple[bool, bool]:
    """Whether the owner has passages of this model, and of another."""
    row = connection.execute(
        SQL(
            "SELECT EXISTS (SELECT FROM passages WHERE owner_id = %(owner)s AND {same}),"
            " EXISTS (SELECT FROM passages WHERE owner_id = %(owner)s AND NOT ({same}))"
        ).format(same=_same_model(model, dimensions)),
        {"owner": owner_id},
    ).fetchone()
    assert row is not None  # noqa: S101  # two values, whatever there is
    return bool(row[0]), bool(row[1])


def _telling_words(connection: Connection, query: str) -> set[str]:
    """The words of a query that say what is looked for, in lower case."""
    wanted = re.sub(r'(?<!\S)-("[^"]*"|\S+)', " ", query)  # without what is excluded
    words = [word for word in re.findall(r"\w+", wanted.casefold()) if word != "or"]
    rows = connection.execute(
        "SELECT word FROM unnest(%s::text[]) AS word WHERE NOT EXISTS"
        " (SELECT FROM unnest(%s::regdictionary[]) AS stem WHERE ts_lexize(stem, word) = '{}')",
        (words, STOP_WORDS_OF),
    ).fetchall()
    return {row[0] for row in rows}


def _marks(text: str, words: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where the words stand in a text."""
    for match in re.finditer(r"\w+", text):
        if match.group().casefold() in words:
            yield match.span()


def _cut_to_the_words(hit: Hit, words: Collection[str]) -> Hit:
    """The hit with the stretch of its text that has the first of the words, or begins it."""
    stretches = [hit.text[s.start : s.end] for s in passages(hit.text, words=SNIPPET_WORDS)]
    marked: Sequence[tuple[str, tuple[tuple[int, int], ...]]] = [
        (stretch, tuple(_marks(stretch, words))) for stretch in stretches
    ]
    text, marks = next((each for each in marked if each[1]), marked[0])
    return replace(hit, text=text, marks=marks)


def prepare(url: str, settings: Settings) -> list[Migration]:
    """Migrate the database at `url`, then have it follow the settings.

    That is: an index of the model in force, and no work due in steps that are switched off.

    Returns the migrations applied.

    Raises:
        DatabaseError: the database is not fit for use; see `migrate`.
    """
    applied = migrate(url)
    with connect(url) as connection:
        model = settings.endpoint("embeddings").model
        ensure_vector_index(connection, model, settings.embeds_dimensions)
        hold_switched_off(connection, settings.switched_off_steps, later=settings.scheduled_steps)
    return applied


def ensure_vector_index(connection: Connection, model: str, dimensions: int) -> str:
    """Make the index of this model's vectors unless it is there, and return its name.

    Each model has its own partial index. It is built while others read and write; call it on an
    autocommitting connection, outside a transaction. A build that broke off is made anew.
    """
    name = index_name(model, dimensions)
    broken = connection.execute(
        "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"
        " AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index"
        "                 WHERE index_relid = indexrelid)",
        (f"keepsake.{name}",),
    ).fetchone()
    if broken:
        connection.execute(SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(Identifier(name)))
    connection.execute(
        SQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON passages"
            " USING hnsw (({}) halfvec_cosine_ops) WHERE {}"
        ).format(Identifier(name), _vectors(dimensions), _same_model(model, dimensions)),
        (),  # no parameters, but the % of a model's name is doubled as if there were
    )
    return name


def index_name(model: str, dimensions: int) -> str:
    """The name of a model's index: the same for the same model, short enough for PostgreSQL."""
    return f"passages_vectors_{sha256(model.encode()).hexdigest()[:16]}_{dimensions}"


# The planner uses an index only for the same expression and predicate: both stand here once, and
# as literals, since a parameter could not be proven equal to the index's predicate.


def _vectors(dimensions: int) -> Composed:
    return SQL("embedding::halfvec({})").format(Literal(dimensions))


def _same_model(model: str, dimensions: int) -> Composed:
    return SQL("model = {} AND dimensions = {}").format(
        Literal(model.replace("%", "%%")), Literal(dimensions)
    )


def _distance(dimensions: int) -> Composed:
    return SQL("({} <=> %(vector)s::halfvec({}))").format(_vectors(dimensions), Literal(dimensions))
