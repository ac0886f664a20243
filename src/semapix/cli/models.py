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

    prints the names of all groups, the classes in each, and what tasks of the model find that look for objects.
    """
    import semapix
    from semapix.bundle import find
    from semapix.tasks import CLASSIFY

    if labels is not None:
        groups = semapix.label_space(labels)
        if as_json:
            say_json(groups)
            return
        say("\n".join(f"{group}: {', '.join(classes)}" for group, classes in groups.items()))
        for task in find(labels).manifest["tasks"]:
            if task.get("kind", CLASSIFY) != CLASSIFY:
                say(f"\ntask {task['name']} finds: {', '.join(task['labels'])}")
        return
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
