"""Semapix: semantic image compression. Machines read the first bytes of a file, people read the rest.

    stream = semapix.encode("photo.jpg", quality=5)
    stream.save("photo.spix")
    semapix.open("photo.spix").look("fine")      # what is in it, from about 100 bytes
    semapix.open("photo.spix").image()           # the picture

    head = semapix.teach("my-labels/")           # a folder of class folders: labels of your own
    semapix.open("photo.spix").look(head=head)   # told from the same bytes

Names are imported when they are first used: `semapix --help` need not wait for NumPy and ONNX Runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semapix._encode import encode
    from semapix._stream import Stream, label_space, look, models, open
    from semapix._teach import teach
    from semapix.errors import SemapixError
    from semapix.tasks import Detection, Detections, Head, Label, Labels

__all__ = [
    "Detection",
    "Detections",
    "Head",
    "Label",
    "Labels",
    "SemapixError",
    "Stream",
    "encode",
    "label_space",
    "look",
    "models",
    "open",
    "teach",
]

__version__ = "0.1.0"

_ROOMS = {
    "Detection": "semapix.tasks",
    "Detections": "semapix.tasks",
    "Head": "semapix.tasks",
    "Label": "semapix.tasks",
    "Labels": "semapix.tasks",
    "SemapixError": "semapix.errors",
    "encode": "semapix._encode",
    "teach": "semapix._teach",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_ROOMS.get(name, "semapix._stream")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
