"""What is known of each embeddings model: its prefixes, its length, and what its cosines mean.

A cosine of 0.5 is nearness with one model and distance with another, so every bound on a cosine
belongs to the model and is here. How to call a model is `keepsake/clients/embeddings.py`'s
business.

`relevant` is the least cosine, rounded up, that four in five of 60 queries which nothing answers
stay below over 80 passages; `python -m benchmarks search` prints that distribution and what it
costs. The other bounds lie between pairs that mean the same and pairs that do not.
"""

from dataclasses import dataclass

USE = "universal-sentence-encoder-multilingual-3"
E5 = "multilingual-e5-small-q4"


@dataclass(frozen=True)
class EmbeddingModel:
    """One model's conventions and bounds. A bound is the least cosine at which its claim holds.

    Attributes:
        dimensions: the length of its vectors; None where it is not known here.
        query, passage: what it was trained to see before a question, and before a text to find.
        same_name: two names, of one to three words each, mean the same.
        same_question: two questions ask for the same.
        fits: a tag fits a page.
        relevant: a passage has to do with a query. None: not measured, so nothing is left out.
    """

    dimensions: int | None = None
    query: str = ""
    passage: str = ""
    same_name: float = 0.65
    same_question: float = 0.9
    fits: float = 0.3
    relevant: float | None = None


EMBEDDED = {
    USE: EmbeddingModel(
        dimensions=512, same_name=0.75, same_question=0.8, fits=0.15, relevant=0.155
    ),
    E5: EmbeddingModel(
        dimensions=384,
        query="query: ",
        passage="passage: ",
        same_name=0.93,
        same_question=0.95,
        fits=0.83,
        relevant=0.815,
    ),
}


def embedding_model(name: str) -> EmbeddingModel:
    """What is known of a model by name.

    Another size or server of E5 gets E5's prefixes: https://huggingface.co/intfloat names them.
    Everything else that is not embedded gets the defaults.
    """
    if name in EMBEDDED:
        return EMBEDDED[name]
    words = name.lower().replace("/", "-").replace("_", "-").replace(":", "-").split("-")
    if "e5" in words and "instruct" not in words:  # the instruct models want a sentence instead
        e5 = EMBEDDED[E5]
        return EmbeddingModel(
            query=e5.query,
            passage=e5.passage,
            same_name=e5.same_name,
            same_question=e5.same_question,
            fits=e5.fits,
        )
    return EmbeddingModel()
