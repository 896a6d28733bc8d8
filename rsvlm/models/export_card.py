"""The model card of an exported folder: that of the checkpoint, and what was merged."""

from pathlib import Path

from rsvlm import assets
from rsvlm.models.configuration import RSVLMConfig

_USE = """
## This folder

Written by `rsvlm export`: the weights of {name} with everything they need. Low-rank
updates are added to the base weights, no part is fetched. It needs the package `rsvlm`.

```python
from transformers import AutoModelForImageTextToText, AutoProcessor
from rsvlm.models.register import register

register()
model = AutoModelForImageTextToText.from_pretrained("FOLDER")
processor = AutoProcessor.from_pretrained("FOLDER")
```

`rsvlm serve --engine vllm --model FOLDER` serves it with vLLM, `rsvlm ask --model FOLDER`
asks it on this machine. The chat template and the tokenizer mark texts so that nothing
in them becomes a special token; use both or neither. `export.json` holds the SHA-256 of
each file.

The weights of these parts are contained, each under its own terms:

| part | from | licence |
|---|---|---|
{rows}
"""


def export_card(source: Path, config: RSVLMConfig, name: str) -> str:
    """Return the text of README.md.

    Args:
        source: Folder of the checkpoint.
        config: Its configuration, with the names of its bases.
        name: Name of the model.
    """
    known = assets.table()
    rows, notices = [], []
    for part, base in sorted((config.bases or {}).items()):
        asset = known.get(base)
        licence = asset.licence if asset else "see its publisher"
        rows.append(f"| {part.replace('_', ' ')} | {base} | {licence} |")
        if asset and asset.notice:
            notices.append(f"{base}: {' '.join(asset.notice.split())}")
    card = source / "README.md"
    own = card.read_text(encoding="utf-8") if card.is_file() else f"# {name}\n"
    rows.append(f"| what was trained | {name} | see above |")
    more = _USE.format(name=name, rows="\n".join(rows))
    return "\n".join([own.rstrip() + "\n" + more, *(f"{n}\n" for n in notices)])
