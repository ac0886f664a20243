"""The installed models."""

from __future__ import annotations

from semapix.cli._console import say, say_json, table
from semapix.cli._options import AsJson

__all__ = ["models"]


def models(as_json: AsJson = False) -> None:
    """List the installed models and what they can tell.

    Example: semapix models --json
    """
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
