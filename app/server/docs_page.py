"""``GET /docs``: the routes as a page without scripts.

The page that FastAPI brings loads its scripts from elsewhere, which our content policy
forbids and which fails without a network; so the page is written here.
"""

import html
import json
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 0.9em ui-monospace, monospace }
pre { overflow-x: auto; padding: 0.8rem; border: 1px solid #8886; border-radius: 6px }
h2 { margin-top: 2.2rem; border-bottom: 1px solid #8886 }
.method { display: inline-block; min-width: 4.2rem; font-weight: 600 }
details { margin: 0.6rem 0 } summary { cursor: pointer }
td, th { text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0 }
"""
_EXAMPLE = """from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")
picture = {"type": "image_url", "image_url": {"url": "sample-wye-mills"}}
question = {"type": "text", "text": "Are there tennis courts?"}
reply = client.chat.completions.create(
    model="tiny", messages=[{"role": "user", "content": [picture, question]}]
)
print(reply.choices[0].message.content)
"""


def router(app: FastAPI) -> APIRouter:
    """Return the route of the page about the routes of an application."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs", response_class=HTMLResponse)
    async def docs() -> str:
        return page(app.openapi())

    return routes


def page(schema: dict[str, Any]) -> str:
    """Return an OpenAPI document as HTML; every text of it is escaped."""
    info = schema["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width">',
        f"<title>{_text(info['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{_text(info['title'])} {_text(info['version'])}</h1>",
        f"<p>{_text(info.get('description', ''))}</p>",
        '<p>For programs: <a href="/openapi.json">openapi.json</a></p>',
        f"<pre>{_text(_EXAMPLE)}</pre>",
    ]
    groups: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            group = (route.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append(_route(path, method, route))
    for group, routes in groups.items():
        parts += [f"<h2>{_text(group)}</h2>", *routes]
    parts.append("<h2>objects</h2>")
    for name, model in schema.get("components", {}).get("schemas", {}).items():
        parts.append(
            f"<details id={_text(name)}><summary><code>{_text(name)}</code> "
            f"{_text(model.get('description', '').split(chr(10))[0])}</summary>{_fields(model)}</details>"
        )
    return "\n".join(parts)


def _route(path: str, method: str, route: dict[str, Any]) -> str:
    told = (route.get("description") or route.get("summary") or "").split("\n\n")[0]
    content = route.get("requestBody", {}).get("content", {})
    names = [
        body["schema"]["$ref"].rsplit("/", 1)[-1]
        for body in content.values()
        if "$ref" in body.get("schema", {})
    ]
    body = "".join(
        f'<br>body: <a href="#{_text(n)}"><code>{_text(n)}</code></a>' for n in names
    )
    return (
        f"<p><code><span class=method>{_text(method.upper())}</span> {_text(path)}"
        f"</code><br>{_text(told)}{body}</p>"
    )


def _fields(model: dict[str, Any]) -> str:
    required = model.get("required", [])
    rows = []
    for name, field in model.get("properties", {}).items():
        mark = "" if name in required else "optional"
        kind = field.get("type") or _kinds(field)
        rows.append(
            f"<tr><td><code>{_text(name)}</code><td>{_text(kind)}<td>{mark}"
            f"<td>{_text(field.get('description', ''))}"
        )
    if not rows:
        return f"<pre>{_text(json.dumps(model, indent=1)[:4000])}</pre>"
    return f"<table>{''.join(rows)}</table>"


def _kinds(field: dict[str, Any]) -> str:
    kinds = [
        str(option.get("type") or option.get("$ref", "any")).rsplit("/", 1)[-1]
        for option in field.get("anyOf", field.get("allOf", [field]))
    ]
    return " or ".join(dict.fromkeys(kinds))


def _text(value: object) -> str:
    return html.escape(str(value))
