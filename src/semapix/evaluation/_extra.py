"""Packages of the extra `eval`, imported where they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from semapix.errors import SemapixError

__all__ = ["extra"]


def extra(module: str, purpose: str) -> Any:
    """The module of that name. Raises SemapixError when its package is not installed; `purpose`: what needs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise SemapixError(f"{purpose} needs {error.name}; install it with: pip install 'semapix[eval]'") from None
