"""The embeddings role: texts in, vectors out, with the texts of all callers gathered into batches.

Steps ask for the few texts of one record; a call costs nearly the same for a hundred. So texts wait
a few milliseconds for company. What a vector means and where it is kept is the steps' business.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keepsake.clients.failures import malformed
from keepsake.clients.model_connection import ModelConnection
from keepsake.errors import EndpointDown, PermanentError, StepError
from keepsake.metrics.counts import Counts, counting, merge
from keepsake.owners import usage
from keepsake.pipeline.limits import EndpointLimiter
from keepsake.settings.embedding_models import EmbeddingModel, embedding_model
from keepsake.traces.spans import here, note_tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from opentelemetry.trace import SpanContext

    Vector = NDArray[np.float32]

WAIT_SECONDS = 0.015
MOST_TEXTS = 128
# OpenAI takes 300,000 tokens a request, and a token is at least one byte.
MOST_BYTES = 300_000
REMEMBERED_TEXTS = 2048
REMEMBERED_CHARS = 64


@dataclass(frozen=True)
class _Embedded:
    """A vector and its share of what the batch cost. What was counted is one of them's alone."""

    vector: "Vector"
    calls: int
    tokens: int
    counts: Counts | None


@dataclass(frozen=True, eq=False)
class _Wish:
    """One text of one caller, waiting to be embedded."""

    text: str
    answer: "asyncio.Future[_Embedded]" = field(repr=False)
    asked_by: "SpanContext | None" = field(default_factory=here)

    @property
    def size(self) -> int:
        return len(self.text.encode("utf-8", "surrogatepass"))


class Embeddings:
    """The embeddings model of the settings.

    Short texts, such as the names of tags, come again and again: their vectors are remembered.
    """

    def __init__(
        self, connection: ModelConnection, *, dimensions: int, ask_dimensions: bool
    ) -> None:
        """Embed over `connection`.

        Args:
            connection: the endpoint of the role.
            dimensions: the length that every vector must have.
            ask_dimensions: whether to ask the model for that length, where it can be asked.
        """
        self.model: str = connection.endpoint.model
        self.limiter: EndpointLimiter = connection.limiter
        self.dimensions = dimensions
        self.about: EmbeddingModel = embedding_model(self.model)
        self._asks = ask_dimensions and self.model.startswith("text-embedding-3")
        self._connection = connection
        self._waiting: list[_Wish] = []
        self._timer: asyncio.TimerHandle | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._remembered: OrderedDict[str, Vector] = OrderedDict()

    async def embed(self, texts: Sequence[str], *, passages: bool = False) -> "list[Vector]":
        """The vectors of `texts`, in their order, as the model gives them. Do not change them.

        Args:
            texts: what to embed.
            passages: whether they are texts to be found. If not, they are queries, or are compared
                among themselves. Some models make a difference.

        Raises:
            ValueError: a text is blank.
            PermanentError: the endpoint refuses one of these texts.
            StepError: the call failed; see `keepsake.clients.failures`.
        """
        if not all(text.strip() for text in texts):
            raise ValueError("a blank text has no embedding")
        prefix = self.about.passage if passages else self.about.query
        texts = [prefix + text for text in texts]
        vectors: dict[str, Vector] = {}
        for text in texts:
            if text in self._remembered:
                self._remembered.move_to_end(text)
                vectors[text] = self._remembered[text]
        new = [text for text in dict.fromkeys(texts) if text not in vectors]
        if new:
            embedded = await asyncio.gather(*self._wish(new))
            # Counted here, in the context of the caller, and not in that of the batch.
            usage.record(
                self.model,
                calls=sum(each.calls for each in embedded),
                tokens_in=sum(each.tokens for each in embedded),
            )
            for each in embedded:
                if each.counts is not None:
                    merge(each.counts)
            vectors.update(zip(new, (each.vector for each in embedded), strict=True))
            self._remember(new, vectors)
        return [vectors[text] for text in texts]

    async def similarity(self, texts: Sequence[str], to: Sequence[str]) -> "NDArray[np.float32]":
        """How near in meaning each text is to each other one: cosines, a row for each text."""
        vectors = await self.embed([*texts, *to])
        return cosines(vectors[: len(texts)], vectors[len(texts) :])

    async def close(self) -> None:
        """Give up what is still waiting or under way."""
        if self._timer:
            self._timer.cancel()
        for batch in self._batches:
            batch.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)

    def _wish(self, texts: Sequence[str]) -> "list[asyncio.Future[_Embedded]]":
        loop = asyncio.get_running_loop()
        wishes = [_Wish(text, loop.create_future()) for text in texts]
        self._waiting += wishes
        if len(self._waiting) >= MOST_TEXTS:
            self._send_waiting()
        elif self._timer is None:
            self._timer = loop.call_later(WAIT_SECONDS, self._send_waiting)
        return [wish.answer for wish in wishes]

    def _send_waiting(self) -> None:
        """Start a call for every batch of what waits, leaving out callers that were cancelled."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for batch in _batches([wish for wish in waiting if not wish.answer.done()]):
            # An empty context: the batch belongs to no caller, least of all to the first.
            task = asyncio.get_running_loop().create_task(self._send(batch), context=Context())
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _send(self, batch: Sequence[_Wish]) -> None:
        """Embed a batch and answer its callers; a refused one is halved until the bad text is."""
        try:
            with counting() as counts:
                vectors, tokens = await self._call(batch)
        except PermanentError as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            half = len(batch) // 2
            await asyncio.gather(self._send(batch[:half]), self._send(batch[half:]))
        except StepError as error:
            _fail(batch, error)
        except BaseException:
            for wish in batch:
                wish.answer.cancel()
            raise
        else:
            _answer(batch, vectors, tokens, counts)

    async def _call(self, batch: Sequence[_Wish]) -> "tuple[list[Vector], int]":
        """One request: the vectors of a batch in its order, and the tokens it cost."""
        from openai import omit

        endpoint = self._connection.endpoint
        texts = [wish.text for wish in batch]
        async with self._connection.call([wish.asked_by for wish in batch]) as client:
            # The raw answer: the SDK would look at each of its numbers.
            raw = await client.embeddings.with_raw_response.create(
                model=endpoint.model,
                input=texts,
                encoding_format="float",  # the SDK's own choice, base64, is unknown to many
                dimensions=self.dimensions if self._asks else omit,
            )
            answer = raw.http_response.json()
            try:
                rows = sorted(answer["data"], key=lambda row: row["index"])
                vectors = [self._vector(row["embedding"]) for row in rows]
                tokens = (answer.get("usage") or {}).get("prompt_tokens") or 0
                note_tokens(tokens)
            except (LookupError, TypeError, AttributeError):
                raise malformed(endpoint, "no vectors") from None
            if len(vectors) != len(texts):
                raise malformed(endpoint, f"{len(vectors)} vectors for {len(texts)} texts")
            return vectors, tokens

    def _vector(self, numbers: list[Any]) -> "Vector":
        import numpy as np

        if len(numbers) != self.dimensions:
            raise EndpointDown(
                f"the embeddings endpoint gives vectors of {len(numbers)} numbers, not "
                f"{self.dimensions}: set EMBEDDINGS_DIMENSIONS to what EMBEDDINGS_MODEL gives",
                role="embeddings",
            )
        vector = np.asarray(numbers, dtype=np.float32)
        if not np.isfinite(vector).all():
            raise PermanentError("the embeddings endpoint gave a vector with NaN or infinity in it")
        vector.flags.writeable = False  # callers may share it
        return vector

    def _remember(self, texts: Sequence[str], vectors: "dict[str, Vector]") -> None:
        for text in texts:
            if len(text) <= REMEMBERED_CHARS:
                self._remembered[text] = vectors[text]
        while len(self._remembered) > REMEMBERED_TEXTS:
            self._remembered.popitem(last=False)


def cosines(
    vectors: "Sequence[Vector] | NDArray[np.float32]", to: "Sequence[Vector] | NDArray[np.float32]"
) -> "NDArray[np.float32]":
    """The cosine of each vector to each other one, a row for each vector; 0 to a null vector."""
    import numpy as np  # a tenth of a second that the start of a run can do without

    rows, columns = (np.asarray(each, dtype=np.float32) for each in (vectors, to))
    lengths = (np.linalg.norm(each, axis=1, keepdims=True) for each in (rows, columns))
    row_lengths, column_lengths = (np.maximum(each, 1e-9) for each in lengths)
    alike: NDArray[np.float32] = (rows / row_lengths) @ (columns / column_lengths).T
    return alike


def _batches(wishes: Sequence[_Wish]) -> list[list[_Wish]]:
    """Cut `wishes` into batches that one request may hold. A huge text goes alone."""
    batches: list[list[_Wish]] = []
    room = 0
    for wish in wishes:
        if not batches or len(batches[-1]) == MOST_TEXTS or wish.size > room:
            batches.append([])
            room = MOST_BYTES
        batches[-1].append(wish)
        room -= wish.size
    return batches


def _answer(
    batch: Sequence[_Wish], vectors: "Sequence[Vector]", tokens: int, counts: Counts
) -> None:
    """Give each caller its vector and its share of the tokens; the shares add up.

    The call itself, and what was counted of it, is the first one's.
    """
    whole = sum(wish.size for wish in batch)
    seen = given = 0
    for number, (wish, vector) in enumerate(zip(batch, vectors, strict=True)):
        seen += wish.size
        share = tokens * seen // whole - given
        given += share
        if not wish.answer.done():
            first = number == 0
            wish.answer.set_result(
                _Embedded(vector, calls=int(first), tokens=share, counts=counts if first else None)
            )


def _fail(batch: Sequence[_Wish], error: StepError) -> None:
    for wish in batch:
        if not wish.answer.done():
            wish.answer.set_exception(error)
