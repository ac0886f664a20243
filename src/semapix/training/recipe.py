"""Recipes: one YAML file per model that states its system, its networks, its data and its training stages."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from semapix.errors import ArgumentError
from semapix.training.adaptive.recipe import AdaptiveRecipe
from semapix.training.deepsic.recipe import DeepsicRecipe
from semapix.training.dicm.recipe import DicmRecipe
from semapix.training.scalable.recipe import ScalableRecipe
from semapix.training.sections import build_recipe

__all__ = ["Recipe", "load_recipe", "recipe_from_dict", "recipe_names"]

Recipe: TypeAlias = ScalableRecipe | AdaptiveRecipe | DicmRecipe | DeepsicRecipe
"""A recipe of any system. All have `name`, that of the file, and `system`; other fields are sections of the file."""

_KINDS: dict[str, type[Recipe]] = {
    "scalable": ScalableRecipe,
    "adaptive": AdaptiveRecipe,
    "dicm": DicmRecipe,
    "deepsic": DeepsicRecipe,
}


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    folder = resources.files("semapix.training") / "recipes"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe: the name of a shipped one, or the path of a YAML file.

    A recipe with the key `base` states only what differs from the recipe of that name, which may have a base itself,
    and null for a section that it leaves out. Raises ArgumentError for an unknown name, for a recipe that is its own
    base, and for unknown or missing keys, naming them.
    """
    values, stem = _read(name)
    return recipe_from_dict({"name": stem, **_on_base(values, name, [name])}, f"recipe {stem}")


def _on_base(values: dict[str, Any], name: str, above: list[str]) -> dict[str, Any]:
    """The values of a recipe on those of its base. `above`: this recipe and all that have it as a base."""
    if "base" not in values:
        return values
    base = str(values.pop("base"))
    if base in above:
        raise ArgumentError(f"recipe {above[0]} is its own base ({' -> '.join([*above, base])}); leave out one `base`")
    under = _on_base(_read(base)[0], base, [*above, base])
    return under | {key: _over(under.get(key), value, name) for key, value in values.items()}


def _over(section: dict[str, Any] | None, value: Any, name: str) -> dict[str, Any] | None:
    """A section of a base with what a recipe says of it."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ArgumentError(f"recipe {name} has a base, so all of its other keys must be mappings, not {value!r}")
    return {**(section or {}), **value}


def _read(name: str) -> tuple[dict[str, Any], str]:
    """The values of a recipe's file, and the recipe's name."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise ArgumentError(f"recipe {name} does not exist; shipped recipes: {', '.join(recipe_names())}")
        text, stem = path.read_text(encoding="utf-8"), path.stem
    elif name in recipe_names():
        text = (resources.files("semapix.training") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
        stem = name
    else:
        raise ArgumentError(f"unknown recipe {name!r}; shipped recipes: {', '.join(recipe_names())}")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ArgumentError(f"recipe {name} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ArgumentError(f"recipe {name} must be a mapping with the keys system, model, data and its stages")
    return values, stem


def recipe_from_dict(values: dict[str, Any], where: str) -> Recipe:
    """A recipe from plain values, as in a checkpoint. Raises ArgumentError for unknown or missing keys."""
    system = values.get("system")
    if system not in _KINDS:
        raise ArgumentError(f"{where}: system (={system!r}) must be one of: {', '.join(_KINDS)}")
    return build_recipe(_KINDS[system], values, where)
