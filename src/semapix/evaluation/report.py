"""One HTML page from the folders of finished experiments; pictures are inside, so that it opens without a network."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markdown import markdown

from semapix.errors import ArgumentError
from semapix.evaluation.findings import RECORD, TABLES
from semapix.files import atomic_write

__all__ = ["write_report"]

_SHOWN = re.compile(r"!\[.*?\]\((.*?\.(?:png|jpg))\)\n")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222 }
h1, h2 { line-height: 1.2 } h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; display: block; overflow-x: auto }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #e4e4e4; text-align: right } th:first-child,
td:first-child { text-align: left } thead th { border-bottom: 2px solid #888 } tbody tr:hover { background: #f3f6fa }
img { max-width: 100%; height: auto } code, pre { background: #f4f4f4; padding: .1rem .3rem; font-size: 13px }
pre { overflow-x: auto; padding: .6rem } dl { font-size: 13px; display: grid; grid-template-columns: max-content 1fr;
gap: .2rem 1rem } dt { font-weight: 600 } dd { margin: 0 } nav a { margin-right: 1rem }
"""


def write_report(folders: Sequence[Path], out: Path, *, force: bool = False) -> int:
    """Write the page `out` about all experiments in `folders`: those that hold a record.json, and those below.

    Returns how many experiments it shows. Raises ArgumentError when there are none, OutputError when `out` exists,
    unless `force`.
    """
    found = sorted({path.parent for folder in folders for path in folder.rglob(RECORD)})
    if not found:
        raise ArgumentError(
            f"{', '.join(map(str, folders))}: hold no {RECORD}; run an experiment of semapix bench first"
        )
    sections = [(folder, _read(folder / RECORD)) for folder in found]
    links = "".join(
        f'<a href="#{_anchor(folder)}">{html.escape(record["benchmark"])}</a>' for folder, record in sections
    )
    body = "".join(_section(folder, record) for folder, record in sections)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Semapix: measurements</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>Semapix: measurements</h1><nav>{links}</nav>{body}</body></html>\n"
    )
    atomic_write(out, page.encode(), force=force)
    return len(found)


def _read(path: Path) -> dict[str, Any]:
    """A record. Raises ArgumentError for what is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArgumentError(f"{path}: is no JSON ({error})") from None
    missing = sorted({"benchmark", "command", "finished", "models", "environment", "settings"} - set(record))
    if missing or not (path.parent / TABLES).is_file():
        raise ArgumentError(f"{path}: is no record of semapix bench; it lacks {', '.join(missing) or TABLES}")
    return dict(record)


def _anchor(folder: Path) -> str:
    return html.escape(folder.as_posix(), quote=True)


def _section(folder: Path, record: dict[str, Any]) -> str:
    """One experiment: what was run where, its tables, its pictures, its settings."""
    models = ", ".join(f"{model['name']} ({model['fingerprint'][:8]})" for model in record["models"]) or "none"
    about = {
        "command": f"<code>{html.escape(record['command'])}</code>",
        "finished": html.escape(record["finished"]),
        "models": html.escape(models),
        "environment": html.escape(", ".join(f"{key} {value}" for key, value in record["environment"].items())),
        **{html.escape(str(key)): html.escape(str(value)) for key, value in record["settings"].items()},
    }
    facts = "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in about.items())
    pictures = "".join(
        f'<p><img alt="{html.escape(path.stem, quote=True)}" '
        f'src="data:image/{path.suffix[1:].replace("jpg", "jpeg")};base64,{b64encode(path.read_bytes()).decode()}"></p>'
        for name in _SHOWN.findall((folder / TABLES).read_text(encoding="utf-8"))
        if (path := folder / name).is_file()
    )
    # Names of files stand in the text, which must not become HTML.
    text = html.escape(_SHOWN.sub("", (folder / TABLES).read_text(encoding="utf-8")), quote=False)
    parts = text.replace("&amp;#124;", "&#124;").partition("\n## ")
    tables = markdown(f"## {parts[2]}" if parts[1] else "", extensions=["tables"]).replace("<h2>", "<h3>")
    tables = tables.replace("</h2>", "</h3>")
    title = html.escape(record["benchmark"])
    how = f"<details><summary>how</summary><dl>{facts}</dl></details>"
    return f'<h2 id="{_anchor(folder)}">{title}</h2>{pictures}{tables}{how}'
