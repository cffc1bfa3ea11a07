"""Where two windows of the embedded Whisper meet, within a sentence."""

from faster_whisper.transcribe import Segment, Word

from keepsake.local.models.transcription import said_once


def segment(seek: int, *words: tuple[str, float, float]) -> Segment:
    return Segment(
        id=1,
        seek=seek,
        start=words[0][1],
        end=words[-1][2],
        text="".join(text for text, _, _ in words),
        tokens=[],
        avg_logprob=-0.1,
        compression_ratio=1.0,
        no_speech_prob=0.0,
        words=[Word(start, end, text, 0.9) for text, start, end in words],
        temperature=0.0,
    )


BEFORE = segment(0, (" He", 28.06, 28.58), (" said", 28.58, 28.84), (" he", 28.84, 29.06))


def test_a_word_that_both_windows_heard_is_written_once() -> None:
    after = segment(2906, (" He", 29.06, 29.06), (" could", 29.06, 29.2))
    assert [each.text for each in said_once([BEFORE, after])] == [" He said he", " could"]
    assert [word.word for word in said_once([BEFORE, after])[1].words] == [" could"]


def test_a_word_that_was_said_twice_stays_twice() -> None:
    after = segment(2906, (" he", 29.2, 29.5), (" could", 29.5, 29.7))
    assert said_once([BEFORE, after]) == [BEFORE, after]


def test_within_a_window_nothing_is_taken_out() -> None:
    after = segment(0, (" he", 29.06, 29.06), (" could", 29.06, 29.2))
    assert said_once([BEFORE, after]) == [BEFORE, after]


def test_another_word_in_no_time_stays() -> None:
    after = segment(2906, (" She", 29.06, 29.06), (" could", 29.06, 29.2))
    assert said_once([BEFORE, after]) == [BEFORE, after]
