"""The four model roles, and where one of them is served.

Which models the embedded server has for a role is here too; what belongs to one embeddings model is
in `embedding_models.py`.
"""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from keepsake.settings.embedding_models import USE

Provider = Literal["openai", "cartesia", "bedrock"]
Role = Literal["chat", "embeddings", "transcription", "speech"]
ROLES: tuple[Role, ...] = ("chat", "embeddings", "transcription", "speech")

LOCAL_MODELS: dict[Role, str] = {
    "chat": "smollm2-135m-instruct",
    "embeddings": USE,
    "transcription": "whisper-base",
    "speech": "hibari",
}
# Roles for which the embedded server has more than one model, the default first.
LOCAL_CHOICES: dict[Role, tuple[str, ...]] = {"transcription": ("whisper-base", "whisper-tiny.en")}


class Endpoint(BaseModel):
    """Where one model role is served: a provider's protocol, a base URL, a key and a model name."""

    role: Role
    provider: Provider
    base_url: str
    model: str
    api_key: SecretStr
    concurrency: int
    timeout: float
    embedded: bool


def is_openai(base_url: str) -> bool:
    """Whether this is an address of OpenAI itself."""
    host = urlsplit(base_url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")
