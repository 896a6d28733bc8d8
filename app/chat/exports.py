"""A conversation as one file that needs nothing else: HTML with pictures and data.

It opens from a disk in any browser, without a network and without scripts; the whole
answers stand in it as JSON for programs.
"""

import base64
import html
import json
import time
from collections.abc import Callable, Sequence

from rsvlm.answer import Answer
from rsvlm.app.chat.history import Exchange
from rsvlm.app.chat.words import (
    image_words,
    rests_on,
    seconds_words,
    step_words,
    sureness,
)

#: Returns the picture of an image with its answer, PNG; None where it is not kept.
Picture = Callable[[Exchange, int], bytes | None]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { --page:#fff; --ink:#1a2230; --dim:#596579; --line:#dfe4ec; --card:#f5f7fa;
  color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --page:#12161c; --ink:#e7ebf1;
  --dim:#9aa7ba; --line:#2c3542; --card:#1a2029 } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 860px; margin: 0 auto; padding: 24px 16px 64px; overflow-wrap: anywhere }
article { border-top: 1px solid var(--line); margin-top: 28px; padding-top: 12px }
.dim { color: var(--dim); font-size: 14px } .said { font-size: 18px; font-weight: 600;
  white-space: pre-line }
img { max-width: 100%; border-radius: 6px } blockquote { margin: 6px 0; padding: 6px 12px;
  background: var(--card); border-radius: 6px } table { border-collapse: collapse }
td, th { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line) }
"""


def export(title: str, exchanges: Sequence[Exchange], picture: Picture) -> str:
    """Return a conversation as an HTML page.

    Args:
        title: Heading.
        exchanges: Questions and answers, oldest first.
        picture: Draws an image of an answer.
    """
    data = [
        {
            "question": item.asked.model_dump(mode="json"),
            "status": item.status,
            "said": item.said,
            "answer": item.answer.model_dump(mode="json", by_alias=True)
            if item.answer
            else None,
        }
        for item in exchanges
    ]
    # "<" must not end the element that holds the JSON.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    body = "".join(_article(item, picture) for item in exchanges)
    name = html.escape(title or "Conversation")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{name}</h1><p class='dim'>Asked with rsvlm. The answers are those of a "
        f"model and can be wrong.</p>{body}</main>"
        f'<script type="application/json" id="rsvlm">{text}</script></body></html>\n'
    )


def _article(item: Exchange, picture: Picture) -> str:
    asked = item.asked
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(item.created))
    head = (
        f"<article><h2>{html.escape(asked.text)}</h2><p class='dim'>About "
        f"{html.escape(', '.join(asked.names))}; {when}</p>"
    )
    if item.answer is None:
        word = {"stopped": "Stopped.", "running": "Not answered yet."}.get(
            item.status, "No answer."
        )
        return f"{head}<p>{word} {html.escape(item.said)}</p></article>"
    return f"{head}{_answer(item, item.answer, picture)}</article>"


def _answer(item: Exchange, answer: Answer, picture: Picture) -> str:
    spent = f"; {seconds_words(item.seconds)}" if item.seconds else ""
    parts = [
        f"<p class='said'>{html.escape(answer.text)}</p>",
        (
            f"<p>{html.escape(sureness(answer))}. Rests on "
            f"{html.escape(rests_on(answer))}{spent}.</p>"
        ),
    ]
    parts += [f"<p class='dim'>Note: {html.escape(w)}</p>" for w in answer.warnings]
    for image in answer.images:
        name = html.escape(f"{image.path}: {image_words(image)}")
        png = picture(item, image.id)
        if png is not None:
            code = base64.b64encode(png).decode("ascii")
            seen = sum(region.image == image.id for region in answer.regions)
            parts.append(
                f'<figure><img src="data:image/png;base64,{code}" alt="The image with '
                f'{seen} region(s) drawn on it"><figcaption class="dim">{name}'
                "</figcaption></figure>"
            )
        else:
            parts.append(f"<p class='dim'>{name} (no longer kept)</p>")
    if answer.regions:
        rows = "".join(
            f"<tr><td>{region.id}</td><td>{html.escape(region.label)}</td>"
            f"<td>{region.confidence:.2f}</td><td>{', '.join(map(str, region.hbb))}</td>"
            f"<td>{'' if region.area_m2 is None else f'{region.area_m2:,.1f}'}</td></tr>"
            for region in answer.regions
        )
        parts.append(
            "<table><thead><tr><th>Region</th><th>Label</th><th>Confidence</th>"
            "<th>Box in pixels</th><th>Area in m²</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
    for passage in answer.evidence:
        parts.append(
            f"<blockquote>[{passage.id}] {html.escape(passage.text)}<br><span class='dim'>"
            f"{html.escape(passage.source)}; licence {html.escape(passage.licence)}"
            f"{'; ' + html.escape(passage.url) if passage.url else ''}</span></blockquote>"
        )
    if answer.trace:
        steps = "".join(f"<li>{html.escape(step_words(s))}</li>" for s in answer.trace)
        parts.append(f"<h3>How it was found</h3><ol class='dim'>{steps}</ol>")
    return "".join(parts)
