"""The smaller parts of the page as HTML: start, images, hints and conversations."""

import time
from collections.abc import Collection, Mapping, Sequence

from rsvlm.app.chat.cards import FILES, esc
from rsvlm.app.chat.examples import FOLLOW_UP, questions, scene
from rsvlm.app.chat.history import Conversation

#: Conversations that the menu lists.
MOST = 20


def start(samples: Sequence[str]) -> str:
    """Return the first thing that a newcomer sees: what to do, and sample scenes.

    Args:
        samples: Ids of the sample scenes.
    """
    items = "".join(f"<li>{_scene(id)}</li>" for id in samples)
    return (
        '<section class="start" aria-labelledby="start-title">'
        '<h2 id="start-title">Ask about a satellite, aerial or radar image</h2>'
        "<p>Pick a sample scene, or add images of your own below. You get an answer in "
        "words, with what was found marked on the image, and files for your GIS.</p>"
        f'<ul class="scenes">{items}</ul></section>'
    )


def _scene(id: str) -> str:
    about = scene(id)
    return (
        f'<button type="button" class="scene" data-act="sample" data-id="{esc(id)}">'
        f'<img src="{FILES}/image/{esc(id)}/small.png" alt="" width="240" height="150">'
        f'<span class="name">{esc(about.title)}</span>'
        f'<span class="about">{esc(about.place)}</span></button>'
    )


def bar(images: Mapping[str, str]) -> str:
    """Return the images that the next question is about.

    Args:
        images: Id of a file -> its name.
    """
    if not images:
        return ""
    items = "".join(
        f'<li class="image"><img src="{FILES}/image/{esc(id)}/small.png" alt="" '
        f'width="36" height="36"><span>{number}. {esc(name)}</span>'
        f'<button type="button" class="quiet" data-act="remove" data-id="{esc(id)}" '
        f'aria-label="Take {esc(name)} away">&#10005;</button></li>'
        for number, (id, name) in enumerate(images.items(), start=1)
    )
    return (
        '<div class="bar"><span class="about">Asking about</span>'
        f'<ul>{items}</ul><button type="button" class="quiet" data-act="new">'
        "Other images</button></div>"
    )


def hints(
    images: tuple[str, ...],
    focus: object,
    notice: str,
    *,
    busy: bool,
    asked: Collection[str],
    found: bool = False,
) -> str:
    """Return what stands over the box for questions.

    Args:
        images: Ids of the images.
        focus: The place that the question is about, if there is one.
        notice: What has to be said.
        busy: Whether a question is being answered.
        asked: What was asked already.
        found: Whether the last answer has regions, so that one can refer back.
    """
    parts = []
    if notice:
        parts.append(f'<div class="trouble" role="alert">{esc(notice)}</div>')
    if focus is not None:
        parts.append(
            '<p class="focus"><span aria-hidden="true">&#9635;</span> The question is '
            'about the place that you drew <button type="button" class="quiet" '
            'data-act="focus" aria-label="Ask about the whole image">&#10005;</button></p>'
        )
    if images and not busy:
        words, most = ("Or try", 3) if asked else ("For example", 6)
        every = [*([FOLLOW_UP] if found else ()), *questions(images)]
        offered = [text for text in every if text not in asked][:most]
        items = "".join(
            f'<li><button type="button" class="example" data-ask="{esc(text)}">'
            f"{esc(text)}</button></li>"
            for text in offered
        )
        parts.append(
            f'<div class="examples"><span class="about">{words}</span>'
            f"<ul>{items}</ul></div>"
        )
    return "".join(parts)


def menu(
    conversations: Sequence[Conversation], current: str | None, exchanged: bool
) -> str:
    """Return the list of conversations, with what can be done with them.

    Args:
        conversations: All of this browser, the latest first.
        current: The one that is shown.
        exchanged: Whether something was asked in it.
    """
    save = ""
    if current and exchanged:
        save = (
            f'<a class="get" href="{FILES}/conversation/{esc(current)}.html" download>'
            "Save as one file</a>"
        )
    titled = [item for item in conversations if item.title][:MOST]
    items = "".join(_entry(item, item.id == current) for item in titled)
    earlier = ""
    if titled:
        earlier = (
            '<details class="earlier"><summary>Conversations '
            f'({len(titled)})</summary><div><ul>{items}</ul><p class="about">Kept on this '
            "server, for this browser only, until they are old or deleted.</p></div>"
            "</details>"
        )
    if not current and not titled:
        return ""
    new = '<button type="button" class="get" data-act="new">New conversation</button>'
    return f'<nav class="menu" aria-label="Conversations">{new}{save}{earlier}</nav>'


def _entry(item: Conversation, is_current: bool) -> str:
    when = time.strftime("%d %b %H:%M", time.gmtime(item.touched))
    here = ' aria-current="true"' if is_current else ""
    return (
        f'<li><button type="button" class="entry" data-act="open" '
        f'data-id="{item.id}"{here}>{esc(item.title)} <span class="about">{when} UTC'
        '</span></button><button type="button" class="quiet" data-act="forget" '
        f'data-id="{item.id}" aria-label="Delete {esc(item.title)}">Delete</button></li>'
    )
