"""A conversation as HTML: what was asked, the answer, and what it rests on.

Texts of models, passages, labels and file names are data: every one is escaped, none
is read as Markdown, so that no text can bring a picture, a link or a script into the
page. Buttons carry what they are for in ``data-`` attributes; ``page.js`` acts on them.
"""

import html
import json
import re
from collections.abc import Sequence

from rsvlm.answer import Answer, AnswerRegion, Evidence, TraceStep
from rsvlm.app.chat.history import Exchange
from rsvlm.app.chat.jobs import Job
from rsvlm.app.chat.words import (
    SENSORS,
    image_words,
    level,
    rests_on,
    seconds_words,
    stage_words,
    step_words,
    sureness,
)

#: Regions that a card lists; the file of regions has them all.
MOST_REGIONS = 24
#: Windows that a card lists.
MOST_STEPS = 40
#: Where downloads are served.
FILES = "/chat-files"

_CITATION = re.compile(r"\[(\d{1,9})\]")
_STATEMENT = re.compile(
    r"(?=\b(?:Optical|Multispectral|Radar) \(image \d+\): |\bImage \d+: )"
)
_HEADING = re.compile(
    r"^((?:Optical|Multispectral|Radar) \(image \d+\)|Image \d+): (.*)$", re.DOTALL
)


def esc(text: object) -> str:
    """Return a text that is nothing but text, in HTML and in a template of Gradio.

    >>> esc('<b>"${x}"')
    '&lt;b&gt;&quot;&#36;&#123;x&#125;&quot;'
    """
    safe = html.escape(str(text))
    for sign in "${}`":
        safe = safe.replace(sign, f"&#{ord(sign)};")
    return safe


def conversation(exchanges: Sequence[Exchange]) -> str:
    """Return the questions that are no longer running, oldest first."""
    done = [item for item in exchanges if item.status != "running"]
    return "".join(card(item, last=item is done[-1]) for item in done)


def card(exchange: Exchange, *, last: bool = False) -> str:
    """Return a question and its answer.

    Args:
        exchange: What was asked and answered.
        last: Whether it is the latest, which can be asked again.
    """
    if exchange.answer is None:
        body = _failed(exchange)
    else:
        body = _answered(exchange, exchange.answer)
    again = ""
    if last:
        word = "Another answer" if exchange.answer else "Ask again"
        again = (
            f'<button type="button" class="quiet" data-act="again" '
            f'data-id="{exchange.id}">{word}</button>'
        )
    files = esc(json.dumps(exchange.asked.files))
    return (
        f'<article class="turn" id="turn-{exchange.id}" data-files="{files}" '
        f'aria-label="Question {exchange.number}">{_question(exchange)}'
        f'<div class="answer">{body}<div class="more">{again}</div></div></article>'
    )


def live(job: Job | None) -> str:
    """Return a question that is being answered, and how far it is."""
    if job is None:
        return ""
    stage = esc(stage_words(job.progress, job.position))
    share = ""
    if job.progress and job.progress.total > 1 and job.position is None:
        done = min(job.progress.done, job.progress.total)
        share = f' value="{done}" max="{job.progress.total}"'
    draft = ""
    if job.draft.strip():
        draft = (
            '<p class="draft"><span class="tag">draft, not yet checked</span> '
            f"{esc(job.draft.strip())}</p>"
        )
    return (
        f'<article class="turn running">{_question(job.exchange)}<div class="answer">'
        f'<p class="stage"><b>{stage}</b> <span class="time">'
        f"{seconds_words(job.seconds)}</span></p>"
        f'<progress aria-label="Progress"{share}></progress>{draft}</div></article>'
    )


def _question(exchange: Exchange) -> str:
    asked = exchange.asked
    about = [esc(name) for name in asked.names]
    if asked.focus is not None:
        about.append("the place that you drew")
    chosen = [
        f"{word} {value}"
        for word, value in (
            ("task", asked.task), ("shape", asked.shape), ("sensor", asked.sensor),
            ("zoom", asked.zoom),
        )
        if value not in ("auto", None)
    ]  # fmt: skip
    if asked.knowledge:
        chosen.append("with the knowledge base")
    facts = " · ".join([*about, *map(esc, chosen)])
    return (
        f'<div class="question"><h3 class="text">{esc(asked.text)}</h3>'
        f'<p class="about">About {facts}</p></div>'
    )


def _failed(exchange: Exchange) -> str:
    word = "Stopped" if exchange.status == "stopped" else "No answer"
    return (
        f'<div class="trouble {exchange.status}"><b>{word}.</b> '
        f"{esc(exchange.said)}</div>"
    )


def _answered(exchange: Exchange, answer: Answer) -> str:
    spent = f" · {seconds_words(exchange.seconds)}" if exchange.seconds else ""
    parts = [
        _words(exchange, answer),
        (
            f'<p class="sure {level(answer)}"><span class="dot" aria-hidden="true"></span>'
            f"<b>{esc(sureness(answer))}</b>{spent}</p>"
        ),
        f'<p class="rests">Rests on {esc(rests_on(answer))}.</p>',
        _notes(answer),
        _regions(answer),
        _trace(exchange, answer),
        _sources(exchange, answer),
        _take_away(exchange, answer),
    ]
    return "".join(parts)


def _words(exchange: Exchange, answer: Answer) -> str:
    """Return the text: a statement a paragraph, each with the sensor it rests on."""
    ids = {item.id for item in answer.evidence}

    def cited(match: re.Match[str]) -> str:
        number = int(match[1])
        if number not in ids:
            return match[0]
        return (
            f'<a class="cite" href="#source-{exchange.id}-{number}" '
            f'data-open="source-{exchange.id}-{number}" '
            f'aria-label="Source {number}">[{number}]</a>'
        )

    lines = []
    statements = [part.strip() for part in _STATEMENT.split(answer.text)]
    for statement in filter(None, statements):
        found = _HEADING.match(statement)
        badge = ""
        if found:
            badge = f'<span class="badge">{esc(found[1])}</span> '
            statement = found[2][:1].upper() + found[2][1:]
        lines.append(
            f'<p class="text">{badge}{_CITATION.sub(cited, esc(statement))}</p>'
        )
    kind = " abstained" if answer.abstained else ""
    return f'<div class="said{kind}">{"".join(lines)}</div>'


def _notes(answer: Answer) -> str:
    if not answer.warnings:
        return ""
    items = "".join(f"<li>{esc(text)}</li>" for text in answer.warnings)
    number = len(answer.warnings)
    title = "1 thing to know" if number == 1 else f"{number} things to know"
    return (
        f'<details class="notes"><summary>{title}</summary><ul>{items}</ul></details>'
    )


def _regions(answer: Answer) -> str:
    if not answer.regions:
        return ""
    shown = answer.regions[:MOST_REGIONS]
    several = len(answer.images) > 1
    items = "".join(f"<li>{_region(region, answer, several)}</li>" for region in shown)
    rest = len(answer.regions) - len(shown)
    more = f'<p class="about">and {rest} more on the image</p>' if rest else ""
    return (
        f'<div class="regions"><h4>Found on the image: {len(answer.regions)}</h4>'
        f'<ul class="chips">{items}</ul>{more}</div>'
    )


def _region(region: AnswerRegion, answer: Answer, several: bool) -> str:
    facts = [f"{100 * region.confidence:.0f} %"]
    if region.area_m2 is not None:
        facts.append(area_words(region.area_m2))
    if several:
        sensor = answer.images[region.image].sensor
        facts.append(SENSORS.get(sensor, sensor))
    return (
        f'<button type="button" class="chip" data-region="{region.id}" '
        f'data-goto="{_place(region.image, region.hbb)}" '
        f'title="Show it on the image">{region.id} {esc(region.label or "region")}'
        f' <span class="about">{esc(", ".join(facts))}</span></button>'
    )


def area_words(area: float) -> str:
    """Return an area in square metres, hectares or square kilometres.

    >>> area_words(1341.2), area_words(52_000), area_words(7_300_000)
    ('1,341 m²', '5.2 ha', '7.3 km²')
    """
    if area < 10_000:
        return f"{area:,.0f} m²"
    return f"{area / 1e4:,.1f} ha" if area < 1e6 else f"{area / 1e6:,.1f} km²"


def _place(image: int, box: Sequence[float]) -> str:
    return esc(json.dumps([image, *box]))


def _trace(exchange: Exchange, answer: Answer) -> str:
    if not answer.trace:
        return ""
    steps = "".join(_step(step) for step in answer.trace[:MOST_STEPS])
    rest = len(answer.trace) - MOST_STEPS
    more = f'<p class="about">and {rest} more steps</p>' if rest > 0 else ""
    heat = ""
    scored = sorted({s.image for s in answer.trace if s.scores and s.image is not None})
    for image in scored:
        heat += (
            f'<figure><img loading="lazy" src="{FILES}/{exchange.id}/heatmap-{image}.png"'
            f' alt="Image {image + 1}, coloured by how well each part fits the question: '
            'dark where it does not, yellow where it fits best">'
            "<figcaption>How well each part fits the question: yellow fits best"
            "</figcaption></figure>"
        )
    number = len(answer.trace)
    return (
        f'<details class="trace" data-keep="trace-{exchange.id}"><summary>How it was '
        f"found: {number} step{'s' * (number != 1)}</summary>"
        f"<ol>{steps}</ol>{more}{heat}</details>"
    )


def _step(step: TraceStep) -> str:
    facts = [step_words(step)]
    spent = f' <span class="about">{step.ms} ms</span>' if step.ms else ""
    note = f'<br><span class="about">{esc(step.note)}</span>' if step.note else ""
    go = ""
    if step.window is not None and step.image is not None:
        go = (
            f' <button type="button" class="quiet" '
            f'data-goto="{_place(step.image, step.window)}" '
            f'aria-label="Show this window on the image">Show</button>'
        )
    return f"<li>{esc(' '.join(facts))}{spent}{go}{note}</li>"


def _sources(exchange: Exchange, answer: Answer) -> str:
    if not answer.evidence:
        return ""
    items = "".join(_source(exchange, item) for item in answer.evidence)
    return f'<div class="sources"><h4>Sources</h4>{items}</div>'


def _source(exchange: Exchange, item: Evidence) -> str:
    far = "" if item.distance_km is None else f" · {item.distance_km:g} km away"
    # An address is shown, not linked: whoever trusts it can copy it.
    url = f'<p class="about">{esc(item.url)}</p>' if item.url else ""
    name = f"source-{exchange.id}-{item.id}"
    return (
        f'<details id="{name}" data-keep="{name}"><summary>[{item.id}] '
        f"{esc(item.source)}{far}</summary><blockquote>{esc(item.text)}</blockquote>"
        f'<p class="about">Licence: {esc(item.licence)}</p>{url}</details>'
    )


def _take_away(exchange: Exchange, answer: Answer) -> str:
    base = f"{FILES}/{exchange.id}"
    links = []
    if answer.regions and any(region.geometry for region in answer.regions):
        links.append(("regions.geojson", "GeoJSON", "Regions on the Earth, for a GIS"))
    if answer.regions:
        for image in sorted({region.image for region in answer.regions}):
            several = f" {image + 1}" * (len(answer.images) > 1)
            links.append(
                (
                    f"mask-{image}.tif",
                    f"Mask{several}",
                    "GeoTIFF on the grid of the image",
                )
            )
    for item in answer.images:
        several = f" {item.id + 1}" * (len(answer.images) > 1)
        links.append(
            (f"overlay-{item.id}.png", f"Picture{several}", "PNG with regions")
        )
    links.append(("answer.json", "JSON", "The whole answer, for programs"))
    buttons = "".join(
        f'<a class="get" href="{base}/{name}" download title="{esc(title)}">'
        f'<span class="arrow" aria-hidden="true">&#8595;</span> {esc(word)}</a>'
        for name, word, title in links
    )
    images = "; ".join(f"{item.path}: {image_words(item)}" for item in answer.images)
    return (
        f'<div class="take"><h4>Take away</h4><p class="links">{buttons}</p>'
        f'<details data-keep="code-{exchange.id}" data-load="{base}/snippets.html">'
        "<summary>Ask the same from a program</summary>"
        '<div class="code" aria-live="polite">Loading</div></details>'
        f'<p class="about">{esc(images)}. Model: {esc(answer.model.name)}.</p></div>'
    )
