"""The installed models."""

from __future__ import annotations

from typing import Annotated

import typer

from semapix.cli._console import say, say_json, table
from semapix.cli._options import AsJson

__all__ = ["models"]


def models(
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE", help="List the labels of this model, by name or file (.spxm).", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the installed models and what they can tell.

    Example: semapix models --labels scalable

    prints the names of all groups, and the classes in each.
    """
    if labels is not None:
        _show_labels(labels, as_json)
        return
    import semapix

    installed = semapix.models()
    if as_json:
        say_json(installed)
        return
    if not installed:
        say("no models are installed")
    for model in installed:
        size, fingerprint = f"{model['bytes'] / 1e6:.1f} MB", model["fingerprint"][:8]
        say(f"{model['model']}  codec {model['codec']}, fingerprint {fingerprint}, {size}")
        rows = [(task["name"], str(task["labels"]), str(task["layers"])) for task in model["tasks"]]
        say(table([("task", "labels", "layers read"), *rows]))


def _show_labels(model: str, as_json: bool) -> None:
    from semapix.bundle import find

    bundle = find(model)
    names = {task["name"]: task["labels"] for task in bundle.manifest["tasks"]}
    groups: dict[str, list[str]] = {group: [] for group in names["coarse"]}
    for fine, parent in zip(names["fine"], bundle.manifest["parents"], strict=True):
        groups[names["coarse"][parent]].append(fine)
    if as_json:
        say_json(groups)
        return
    for group, members in groups.items():
        say(f"{group}: {', '.join(members)}")
