"""Embeddings: WordLlama, 256 static dimensions, unit length."""

import base64
from typing import Any

import numpy as np

from keepsake.local.models.errors import RequestRefused
from keepsake.local.models.packages import package_folder
from keepsake.settings import LOCAL_MODELS

AT_ONCE = 1
_DIMENSIONS = 256


class Embeddings:
    """The model in memory."""

    def __init__(self) -> None:
        from wordllama import WordLlama

        # Given its own folder, it finds the tokenizer that the plain call would download.
        folder = package_folder("wordllama")
        self._model = WordLlama.load(cache_dir=folder, disable_download=True)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer the body of a `/v1/embeddings` request.

        Raises:
            RequestRefused: a field is missing or has a value that this model cannot serve.
        """
        texts = _texts(body)
        encode = _encoding(body)
        # Texts are padded to the longest of them; padding is not counted.
        tokens = sum(sum(encoded.attention_mask) for encoded in self._model.tokenize(texts))
        # A text of which no token is known has a zero vector, which no length can be given.
        vectors = self._model.embed(texts, norm=False)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return {
            "object": "list",
            "model": LOCAL_MODELS["embeddings"],
            "data": [
                {"object": "embedding", "index": index, "embedding": encode(vector)}
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _texts(body: dict[str, Any]) -> list[str]:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RequestRefused("input must be a string or a list of strings", param="input")
    if not texts or not all(text.strip() for text in texts):
        raise RequestRefused("input cannot be empty or hold an empty string", param="input")
    if body.get("dimensions", _DIMENSIONS) != _DIMENSIONS:
        raise RequestRefused(f"this model has {_DIMENSIONS} dimensions", param="dimensions")
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
