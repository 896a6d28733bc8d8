"""``POST /v1/chat/completions``: from a request to a question, and back.

:func:`complete` answers a body in one piece, for the route and for batches;
:mod:`rsvlm.app.server.streaming` answers it as a stream of events.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from rsvlm.app.server.conversation import MOST_QUESTION, Talk, read
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.keys import owner as owner_of
from rsvlm.app.server.replies import Reply, Words, words_of
from rsvlm.app.server.schemas import ChatRequest
from rsvlm.app.server.service import Event, Question, Result, Service
from rsvlm.app.server.structured import Form
from rsvlm.errors import StoppedError, UnknownNameError
from rsvlm.focus import Focus
from rsvlm.followup import Turn
from rsvlm.geometry import HBB
from rsvlm.questions import tidy

_T = TypeVar("_T")


@dataclass(frozen=True)
class Asked:
    """A request, read and checked; its images are there.

    Attributes:
        body: The request.
        model: Name of the model.
        question: What the assistant is asked.
        form: Form of a JSON answer; None for words.
        reply: Head of the response.
    """

    body: ChatRequest
    model: str
    question: Question
    form: Form | None
    reply: Reply

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return self.body.n or 1

    @property
    def wanted(self) -> tuple[str, ...]:
        """What is to be sent beside the answer."""
        return self.body.rsvlm.return_

    def words(self, result: Result) -> Words:
        """Return the words of an answer, as they were asked for.

        Raises:
            ApiError: If the answer does not fit the form.
        """
        return words_of(
            result,
            form=self.form,
            stops=self.body.stops,
            logprobs=bool(self.body.logprobs),
        )


async def prepare(service: Service, owner: str, body: ChatRequest) -> Asked:
    """Return what a request asks.

    Raises:
        ApiError: If it cannot be asked so, or an image is not there.
        ImageError: If an image is refused.
    """
    model = served(service, body.model)
    assistant = service.assistants[model]
    form = None
    if body.form.type != "text":
        wanted = body.form.json_schema
        schema = wanted.schema_ if wanted is not None else {}
        # Large schemas take seconds to check.
        form = await asyncio.to_thread(Form, schema)
    talk = read(body.messages)
    options = body.rsvlm
    scope = talk.scope([box.image for box in options.focus])
    _check_images(talk, scope, assistant.engine.capabilities.max_images)
    calls = (service.resolve(talk.addresses[place], owner) for place in scope)
    images = tuple(await asyncio.gather(*calls))
    knows = assistant.retriever is not None
    question = Question(
        images=images,
        text=talk.question,
        task=options.task,
        shape=options.shape,
        zoom=options.zoom,
        sensor=options.sensor,
        knowledge=knows if options.knowledge is None else options.knowledge,
        seed=body.seed,
        temperature=body.temperature or 0.0,
        max_tokens=body.most_tokens,
        stop=body.stops,
        history=tuple(
            service.memory.recall(owner, images, turn) for turn in talk.history
        ),
        focus=tuple(
            Focus(scope.index(box.image), HBB(*box.box)) for box in options.focus
        ),
        system=talk.system,
        overlay="overlay" in options.return_,
    )
    return Asked(
        body, model, question, form, Reply(model, f"rsvlm-{service.revisions[model]}")
    )


def served(service: Service, name: str | None) -> str:
    """Return the name of a served model, the default where none is named.

    Raises:
        ApiError: If no such model is served.
    """
    name = name or next(iter(service.assistants))
    try:
        service.assistant(name)
    except UnknownNameError as error:
        raise ApiError(404, str(error), code="model_not_found", param="model") from None
    return name


def _check_images(talk: Talk, scope: tuple[int, ...], most: int) -> None:
    if not scope:
        raise ApiError(
            400,
            "There is no image. Send one as a part of type image_url with a data URI or "
            "the id of a file (POST /v1/files).",
            code="no_image",
            param="messages",
        )
    if scope[-1] >= len(talk.addresses):
        raise ApiError(
            400,
            f"The focus is in image {scope[-1]}, and there are {len(talk.addresses)}. "
            "Images are counted from 0 in the order in which they were sent.",
            param="rsvlm",
        )
    if len(scope) > most:
        raise ApiError(
            400,
            f"The question is about {len(scope)} images; the model takes at most {most}. "
            "Ask about fewer at a time.",
            code="too_many_images",
            param="messages",
        )


async def answers(
    service: Service,
    owner: str,
    asked: Asked,
    on_event: Callable[[Event], None] | None = None,
    *,
    background: bool = False,
) -> list[Result]:
    """Return as many answers as were asked for.

    Without temperature they are all the same, so one is found and repeated.
    """
    question, results = asked.question, list[Result]()
    runs = asked.choices if question.temperature > 0 else 1
    for run in range(runs):
        seed = question.seed if run == 0 else (question.seed or 0) + run
        results.append(
            await service.ask(
                replace(question, seed=seed), owner=owner, model=asked.model,
                on_event=on_event, background=background,
            )
        )  # fmt: skip
    return results * (asked.choices // runs)


async def worded(
    service: Service, owner: str, asked: Asked, results: Sequence[Result]
) -> list[Words]:
    """Return the words of answers, and remember the answers by them.

    Raises:
        ApiError: If an answer does not fit the form that was asked for.
    """

    def read() -> list[tuple[Words, Turn]]:
        return [(asked.words(result), Turn.of(result.answer)) for result in results]

    # In a thread: an answer may hold thousands of regions.
    found = await asyncio.to_thread(read)
    question = asked.question
    for said, turn in found:
        told = tidy(said.content or "")[:MOST_QUESTION]
        service.memory.keep(owner, question.images, question.text, told, turn)
    return [said for said, _ in found]


async def complete(
    service: Service, owner: str, body: ChatRequest, *, background: bool = False
) -> dict[str, Any]:
    """Answer a request in one piece.

    Args:
        service: What answers.
        owner: Who asks.
        body: The request; its ``stream`` is passed over.
        background: Whether everybody else goes first.

    Returns:
        OpenAI's ``chat.completion``, with the field ``rsvlm``.

    Raises:
        ApiError: If it cannot be asked so, or there is no slot.
        RsvlmError: If there is no answer.
    """
    asked = await prepare(service, owner, body)
    found = await answers(service, owner, asked, background=background)
    words = await worded(service, owner, asked, found)
    return asked.reply.completion(found, words, asked.wanted)


def router(service: Service, count: Callable[[int, int], None]) -> APIRouter:
    """Return the route of chat completions.

    Args:
        service: What answers.
        count: Told the tokens read and written for each request.
    """
    routes = APIRouter(tags=["chat"])

    @routes.post(
        "/v1/chat/completions",
        summary="Ask about images",
        response_description="OpenAI's chat.completion, with the answer object "
        "rsvlm.answer/1 in the field rsvlm; with stream: true, server-sent events.",
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def create(
        request: Request, body: ChatRequest, owner: Annotated[str, Depends(owner_of)]
    ) -> Response:
        if body.stream:
            from rsvlm.app.server.streaming import stream

            return await stream(request, service, owner, body, count)
        found = await unless_gone(request, complete(service, owner, body))
        usage = found["usage"]
        count(usage["prompt_tokens"], usage["completion_tokens"])
        return JSONResponse(found)

    return routes


async def unless_gone(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """Do work for a client; cancel it when the client goes away.

    Raises:
        StoppedError: If the client has gone.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise StoppedError("The client has gone away.")
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(gone, task, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
