"""What was made of a response, as it is answered over HTTP. Times are in seconds."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

from keepsake.family.steps.podcasts import Podcast
from keepsake.family.steps.quotes import Quote
from keepsake.family.views import ResponseView, TranscriptText
from keepsake.line_module import Results


class TranscriptOut(BaseModel):
    """What was said or written."""

    text: str
    language: str | None = Field(examples=["en"])
    duration: float | None = Field(description="Seconds; null: it was written.")
    remarks: list[str] = Field(description="What a listener could not trust.")


class StoryOut(BaseModel):
    """The story."""

    title: str
    summary: str
    text: str = Field(description="In paragraphs, with an empty line between.")


class TagOut(BaseModel):
    """A value that the response shows."""

    tag: str = Field(examples=["courage"])
    source: Literal["human", "ai"] = Field(description="Who set it.")


class AdviceOut(BaseModel):
    """A piece of wisdom."""

    advice: str
    audience: str
    life_area: str
    support: str = Field(description="The words that say it.")
    starts_at: float | None
    ends_at: float | None


class QuoteOut(BaseModel):
    """Words as they were said."""

    text: str
    starts_at: float | None
    ends_at: float | None
    clip: str | None = Field(description="Address of the speaker's own voice.")


class EpisodeOut(BaseModel):
    """The podcast episode: addresses of its files."""

    audio: str
    captions: str
    chapters: str
    duration: float
    size_bytes: int


class ResponseResults(BaseModel):
    """What was made of a response; what is not made yet is null or empty."""

    line: Literal["family"] = "family"
    member: str | None = Field(description="Who said or wrote it.", examples=["Rose"])
    question: str | None = Field(description="The interview prompt that it answers.")
    spoken: bool
    recording: str | None = Field(description="Address of the recording.")
    transcript: TranscriptOut | None
    story: StoryOut | None
    tags: list[TagOut]
    wisdom: list[AdviceOut]
    quotes: list[QuoteOut]
    episode: EpisodeOut | None


def _of(made: ResponseView, address: Callable[[str], str]) -> ResponseResults:
    head = made.record
    return ResponseResults(
        member=head.member,
        question=head.question,
        spoken=head.spoken,
        recording=address(head.audio_key) if head.audio_key else None,
        transcript=_transcript(made.transcript) if made.transcript else None,
        story=StoryOut(**vars(made.story)) if made.story else None,
        tags=[TagOut.model_validate({"tag": t.value, "source": t.source}) for t in made.tags],
        wisdom=[AdviceOut(**vars(advice)) for advice in made.wisdom],
        quotes=[_quote(quote, address) for quote in made.quotes],
        episode=_episode(made.episode, address) if made.episode else None,
    )


def _transcript(words: TranscriptText) -> TranscriptOut:
    return TranscriptOut(
        text=words.text, language=words.language, duration=words.duration, remarks=words.remarks
    )


def _quote(quote: Quote, address: Callable[[str], str]) -> QuoteOut:
    return QuoteOut(
        text=quote.text,
        starts_at=quote.starts_at,
        ends_at=quote.ends_at,
        clip=address(quote.clip_key) if quote.clip_key else None,
    )


def _episode(episode: Podcast, address: Callable[[str], str]) -> EpisodeOut:
    return EpisodeOut(
        audio=address(episode.audio_key),
        captions=address(episode.vtt_key),
        chapters=address(episode.chapters_key),
        duration=episode.duration,
        size_bytes=episode.size_bytes,
    )


RESULTS = Results(ResponseResults, _of)
