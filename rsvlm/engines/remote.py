"""A model behind any OpenAI-compatible server: vLLM, llama.cpp, a cloud.

The official client carries the requests; what is retried, how long is waited and what
an error says is decided here, since the evaluation counts on it.
"""

import hashlib
import json
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

from rsvlm.dialects import UNKNOWN, family_of, get_dialect
from rsvlm.engines.base import Capabilities
from rsvlm.engines.failures import LONGEST_WAIT, Failure, Server
from rsvlm.engines.kept_pictures import KeptPictures
from rsvlm.engines.remote_settings import RemoteSettings, key_for
from rsvlm.engines.wire import (
    BrokenReplyError,
    Draft,
    Pictures,
    clean,
    to_chat,
    to_tools,
)
from rsvlm.errors import EngineError, MissingExtraError, SettingsError
from rsvlm.messages import Generation, Message, Tool, views_of
from rsvlm.progress import report

_T = TypeVar("_T")

#: First wait after a failed try, seconds; it doubles each time.
FIRST_WAIT = 0.5
#: Longest wait that we choose ourselves, seconds.
MOST_WAIT = 20.0
#: Longest time without a look at whether the work is still wanted, seconds.
LOOK = 0.5
#: Seconds to reach a server.
CONNECT = 10.0
#: Times that pictures are sent again because the server has lost them meanwhile.
MOST_RESENT = 3
#: Texts that end a reply: the OpenAI API takes four.
MOST_STOPS = 4
#: Fields that a server may do without; one that it refuses is left out from then on.
OPTIONAL = ("logprobs", "stream_options", "seed", "stop", "temperature", "tools")

_REFUSAL = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|extra|not (?:allowed"
    r"|permitted|available|enabled)|invalid|requires",
    re.IGNORECASE,
)


#: What servers call it that they were not started for: vLLM, Ollama, llama.cpp.
_TOOLS = re.compile(r"\btools?\b|\btool[ _-]?(?:choice|call)", re.IGNORECASE)


def _sleep(seconds: float) -> None:
    """Wait for the next try.

    Raises:
        StoppedError: If the work is not wanted any more.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, LOOK))
        report("write")


class RemoteEngine:
    """Asks a served model; may be used from several threads.

    .. versionadded:: 0.1
    """

    kind = "remote"

    def __init__(
        self,
        settings: RemoteSettings,
        key: str | None = None,
        sleep: Callable[[float], None] = _sleep,
        capabilities: Capabilities | None = None,
    ) -> None:
        """Prepare to ask; the server is asked only where the model has no name.

        Args:
            settings: The server, the model and how it is asked.
            key: Key of the server; by default from the environment.
            sleep: What waits between tries.
            capabilities: What the model can take, where that is known better than by
                its name and the settings.

        Raises:
            MissingExtraError: If the package ``openai`` is not installed.
            SettingsError: If no name is given and several models are served.
            EngineError: If no name is given and the server does not answer.
        """
        try:
            import openai
        except ImportError:
            raise MissingExtraError("openai", "remote") from None
        self.settings = settings
        key = key or key_for(settings)
        self._client: Any = openai.OpenAI(
            base_url=settings.url,
            api_key=key,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(
                timeout=openai.Timeout(settings.timeout, connect=CONNECT),
                # A redirect would carry pictures and key to where nobody sent them.
                follow_redirects=False,
            ),
        )
        # The client takes these from the environment; they are meant for OpenAI only.
        self._client.organization = self._client.project = None
        self._client.admin_api_key = None
        self._sleep = sleep
        self._slots = threading.BoundedSemaphore(settings.concurrency)
        self._left_out: set[str] = set()
        self._served: list[dict[str, Any]] | None = None
        self._server = Server(settings.url, settings.model, settings.timeout, key)
        self.name = settings.model
        if not self.name:
            try:
                self.name = self._only_model()
            except BaseException:
                self.close()
                raise
            self._server = replace(self._server, model=self.name)
        family = family_of(self.name) or (None, None)
        dialect = settings.dialect or family[0]
        self.capabilities = capabilities or Capabilities(
            max_images=max(8, settings.max_images or 0),
            together=settings.max_images or family[1] or 8,
            max_side=settings.max_side,
            dialect=dialect or UNKNOWN,
            dialect_known=dialect is not None,
            reply_tokens=_reply_tokens(settings, dialect),
            sensors=settings.sensors,
            # Models of rsvlm ask in words, as they were trained to.
            tools=dialect != "rsvlm",
        )
        codec = get_dialect(self.capabilities.dialect)
        kind = KeptPictures if settings.remembers else Pictures
        self._pictures = kind(codec, settings.max_megabytes * 1e6)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    @property
    def served(self) -> dict[str, Any] | None:
        """What the server says of the model, without paths; None where it does not."""
        entry = self._own_entry()
        return entry and {key: entry[key] for key in entry if key != "root"}

    @property
    def revision(self) -> str:
        """Hash of what the server says of the model; "unknown" where it does not."""
        entry = self._own_entry()
        if entry is None:
            return "unknown"
        text = json.dumps(entry, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
        tools: Sequence[Tool] = (),
    ) -> Generation:
        """Return the model's reply; see :class:`~rsvlm.engines.base.ToolEngine`.

        Passing failures are tried again. Without ``on_text`` the reply comes in one
        piece. A server that refuses tools is asked again without, and told of none from
        then on.

        Raises:
            EngineTimeoutError: If it does not answer in time.
            EngineEmptyError: If it answers nothing.
            EngineRefusedError: If it refuses to answer.
            EngineError: If the server fails, or refuses the request.
            SettingsError: If there are too many pictures, or one is too large.
            StoppedError: If the work is not wanted any more; waits end then.
        """
        most = self.capabilities.together
        if len(views_of(messages)) > most:
            raise SettingsError(
                f"There are {len(views_of(messages))} pictures; the model {self.name} "
                f"takes {most}. Raise it with URL?max_images=N#MODEL if it takes more."
            )
        stop = [mark for mark in stop if mark]
        request: dict[str, Any] = {
            "model": self.name,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "logprobs": True,
            **({} if seed is None else {"seed": seed}),
            **({"stop": stop[:MOST_STOPS]} if stop else {}),
            **({"tools": to_tools(tools)} if tools else {}),
        }
        shown = _Shown(on_text, stop) if on_text is not None else None

        def ask(resend: int = MOST_RESENT) -> Generation:
            chat = to_chat(messages, self._pictures)
            try:
                generation = self._try({**request, "messages": chat}, stop, shown)
            except Exception as error:
                if resend and self._pictures.lost(error):
                    return ask(resend - 1)
                raise
            self._pictures.answered(chat)
            return generation

        while not self._slots.acquire(timeout=LOOK):
            report("write")
        try:
            return self._persist(ask)
        finally:
            self._slots.release()

    def _persist(self, call: Callable[[], _T]) -> _T:
        """Call until it works, no try is left, or none would help."""
        tries, left_out = 0, set[str]()
        while True:
            try:
                return call()
            except Exception as error:
                failure = self._server.failure(error)
                if failure is None:
                    raise
                field = _refused_field(error)
                if field is not None and field not in left_out:
                    left_out.add(field)
                    self._left_out.add(field)
                    continue
                if not failure.again or tries >= self.settings.retries:
                    if failure.error is error:
                        raise
                    raise failure.error from error
                report("write")
                self._sleep(_wait(failure, tries))
                tries += 1

    def _try(
        self, request: dict[str, Any], stop: Sequence[str], shown: "_Shown | None"
    ) -> Generation:
        fields = {k: v for k, v in request.items() if k not in self._left_out}
        if "max_tokens" in self._left_out:
            fields["max_completion_tokens"] = request["max_tokens"]
        draft = Draft()
        create = self._client.chat.completions.create
        if shown is None:
            draft.add(create(**fields))
            return draft.generation(self.name, stop)
        if "stream_options" not in self._left_out:
            fields["stream_options"] = {"include_usage": True}
        end = time.monotonic() + self.settings.timeout
        stream = create(**fields, stream=True)
        try:
            for number, chunk in enumerate(stream):
                report("write", number, request["max_tokens"])
                draft.add(chunk)
                shown.update(draft)
                if time.monotonic() > end:
                    raise self._server.too_late()
        finally:
            stream.close()
        if draft.finish is None:
            raise BrokenReplyError("the stream ended before the reply did")
        generation = draft.generation(self.name, stop)
        shown.finish(generation.text)
        return generation

    def _models(self) -> list[dict[str, Any]]:
        if self._served is None:
            self._served = self._persist(self._list_models)
        return self._served

    def _list_models(self) -> list[dict[str, Any]]:
        # Read by ourselves: the client's types take a well-formed list for granted.
        page = json.loads(self._client.models.with_raw_response.list().text)
        entries = page.get("data") if isinstance(page, dict) else None
        if not isinstance(entries, list):
            raise BrokenReplyError("it holds no list of models")
        return [_entry(entry) for entry in entries if isinstance(entry, dict)]

    def _own_entry(self) -> dict[str, Any] | None:
        try:
            entries = self._models()
        except EngineError:
            entries = self._served = []  # not asked again for every record
        return next((e for e in entries if e.get("id") == self.name), None)

    def _only_model(self) -> str:
        names = [e["id"] for e in self._models() if isinstance(e.get("id"), str)]
        if len(names) != 1:
            listed = ", ".join(names[:20]) or "none"
            raise SettingsError(
                f"The server {self.settings.url} serves these models: {listed}. "
                "Name one of them: URL#NAME."
            )
        return str(names[0])


class _Shown:
    """What of a reply has been passed on, over all tries."""

    def __init__(self, on_text: Callable[[str], None], stop: Sequence[str]) -> None:
        self.on_text, self.text = on_text, ""
        # So much of the end may still become a stop text.
        self.held = max((len(mark) for mark in stop), default=1) - 1
        self.stop = stop

    def update(self, draft: Draft) -> None:
        if draft.may_think:
            return
        text = clean(draft.answer)
        if draft.has_thought and self.text and not text.startswith(self.text):
            # Thoughts without a mark in front were taken for the reply.
            self.text = ""
        cuts = [text.find(mark) for mark in self.stop if mark in text]
        self._pass_on(text[: min(cuts, default=max(0, len(text) - self.held))])

    def finish(self, text: str) -> None:
        self._pass_on(text)

    def _pass_on(self, text: str) -> None:
        """Pass on what is new; a second try goes on where the first one broke off.

        Raises:
            EngineError: If the second try says something else.
        """
        if text.startswith(self.text):
            piece, self.text = text[len(self.text) :], text
            if piece:
                self.on_text(piece)
        elif not self.text.startswith(text):
            raise EngineError(
                "The connection broke off in mid-reply, and the second reply is "
                "another one than that which was being shown. Ask again."
            )


def _refused_field(error: Exception) -> str | None:
    """Return the field that a server does not know, None where it is something else."""
    if getattr(error, "status_code", None) not in (400, 422, 500):
        return None
    body = getattr(error, "body", None)
    text = body.get("message") if isinstance(body, dict) else None
    text = text if isinstance(text, str) else str(error)
    if not _REFUSAL.search(text):
        return None
    if _TOOLS.search(text):
        return "tools"
    if error.status_code == 500:  # type: ignore[attr-defined]  # llama.cpp, of tools
        return None
    if "max_completion_tokens" in text:
        return "max_tokens"
    return next((name for name in OPTIONAL if re.search(rf"\b{name}\b", text)), None)


def _reply_tokens(settings: RemoteSettings, dialect: str | None) -> int | None:
    """Return room for replies; models of ours know how short an answer is."""
    if dialect == "rsvlm" and "max_tokens" not in settings.model_fields_set:
        return None
    return settings.max_tokens


def _wait(failure: Failure, tries: int) -> float:
    """Return seconds to wait; never the same, so that workers do not knock at once."""
    if failure.wait is not None:
        return min(failure.wait, LONGEST_WAIT) + random.uniform(0, FIRST_WAIT)
    return min(FIRST_WAIT * 2.0**tries, MOST_WAIT) * random.uniform(0.5, 1.0)


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what tells one version of a model from another, of an entry of the list.

    Times and permissions change from one call to the next on some servers.
    """
    return {k: v for k, v in entry.items() if k not in ("created", "permission")}
