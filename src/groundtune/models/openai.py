"""A generator behind any OpenAI-compatible endpoint. The key comes from the environment and is written nowhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundtune.errors import UserError, WorkFailed
from groundtune.types import Completion, Generator, Limits, Prompt

AT_ONCE = 4  # requests under way


class OpenAIBackend:
    """One model of an endpoint; its own tuning is not ours to do, so it has no adapters."""

    def __init__(self, model: str, base_url: str | None, key_env: str) -> None:
        """Raises UserError where the environment holds no key, or the address is not one."""
        from openai import OpenAI

        self.name = f"openai:{model}"
        key = os.environ.get(key_env, "")
        if not key:
            raise UserError(
                f"the environment variable {key_env} is not set", f"export {key_env}=... (a local server takes any)"
            )
        if base_url is not None and not base_url.startswith(("http://", "https://")):
            raise UserError(f"[model] base_url = {base_url!r}: an http:// or https:// address was expected")
        self._model = model
        self._client = OpenAI(api_key=key, base_url=base_url, max_retries=3, timeout=120)

    def generator(self, adapter: Path | None = None) -> Generator:
        """The endpoint as a generator. Raises UserError where an adapter is asked for."""
        if adapter is not None:
            raise UserError(
                f"[model] name = {self.name!r} cannot be tuned here", 'use approaches with generator = "base"'
            )
        return OpenAIGenerator(self._client, self._model)


class OpenAIGenerator:
    def __init__(self, client: Any, model: str) -> None:
        self.name = f"openai:{model}"
        self._client = client
        self._model = model

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        """One completion a prompt, a few requests at a time. Raises WorkFailed where the endpoint does not answer."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda prompt: self._complete(prompt, limits), prompts))

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        """The completion in the endpoint's own pieces."""
        with self._errors():
            for chunk in self._ask(prompt, limits, stream=True):
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content

    def _complete(self, prompt: Prompt, limits: Limits) -> Completion:
        began = time.perf_counter()
        with self._errors():
            reply = self._ask(prompt, limits, stream=False)
            text, used = reply.choices[0].message.content or "", reply.usage
        return Completion(
            text,
            used.prompt_tokens if used else 0,
            used.completion_tokens if used else 0,
            time.perf_counter() - began,
        )

    def _ask(self, prompt: Prompt, limits: Limits, *, stream: bool) -> Any:
        import openai

        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        if prompt.choices:
            messages[-1]["content"] += "\n\nAnswer with one of: " + ", ".join(
                choice.strip() for choice in prompt.choices
            )
        return self._client.chat.completions.create(
            model=self._model,
            messages=messages,
            max_tokens=limits.max_tokens,
            stop=list(limits.stop) or openai.omit,
            temperature=0,
            stream=stream,
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns what goes wrong into a message. An endpoint may say the key back; it goes no further."""
        import openai

        try:
            yield
        except (openai.AuthenticationError, openai.PermissionDeniedError):
            raise UserError(
                f"{self._client.base_url}: the key was refused", "check the key in the environment"
            ) from None
        except openai.OpenAIError as error:
            said = str(error).replace(self._client.api_key, "***")
            raise WorkFailed(
                f"{self._client.base_url}: {said}", "check [model] base_url and name; then run again"
            ) from None
        except (AttributeError, IndexError, TypeError, ValueError):
            raise WorkFailed(
                f"{self._client.base_url}: this is no answer of an OpenAI-compatible endpoint",
                "check [model] base_url: it mostly ends in /v1",
            ) from None
