"""Passages of a transcript, embedded for search by meaning, with the times at which they are said.

How passages are cut, embedded and stored is what all lines share (`keepsake/steps/passages.py`).
"""

from keepsake.family.response import Response
from keepsake.family.steps.transcripts import Transcript
from keepsake.pipeline.line import Step
from keepsake.steps.passages import Passages, embed_passages, save_passages
from keepsake.steps.tools import Tools


async def embed(response: Response, transcript: Transcript, tools: Tools) -> Passages:
    """Cut a transcript into passages and embed each."""
    return await embed_passages(transcript.text, tools, time=transcript.spoken.time)


EMBEDDINGS = Step(
    name="embeddings",
    version="2",
    formerly="passages",
    needs=("transcripts",),
    roles=("embeddings",),
    make=embed,
    save=save_passages,
)
