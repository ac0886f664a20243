"""Making models: train, export. Both need PyTorch, which the rest of Semapix does without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from semapix.cli._console import say
from semapix.cli._options import Force
from semapix.errors import ArgumentError, SemapixError

__all__ = ["export", "train"]


@contextmanager
def _training_packages() -> Iterator[None]:
    """Around imports of `semapix.training`: what is not installed is an error for the user."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("semapix"):
            raise
        raise SemapixError(f"training needs {error.name}; install it with: pip install 'semapix[train]'") from None


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a shipped recipe, or a .yaml file.")],
    stage: Annotated[
        str,
        typer.Option(
            metavar="STAGE",
            help="Of scalable: teacher, lfrnet, lcnet, and outer at any time. Of adaptive: classifier, distortion, "
            "semantics, perception. Of dicm: selfsupervised, compression, tasks. Of deepsic: joint, then semantics.",
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the data sets that the recipe names.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUNDIR", help="Where checkpoints and logs go.")],
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="N", help="Time budget. By default the recipe's.", show_default=False),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="BUNDLE", help="Name or path of a model to start from.", show_default=False),
    ] = None,
) -> None:
    """Train one stage of a model.

    A stage whose checkpoint stands in RUNDIR is resumed where it was left.

    Example: semapix train scalable --stage lfrnet --data data -o runs/scalable
    """
    from semapix.bundle import find

    with _training_packages():
        from semapix.training.recipe import load_recipe
        from semapix.training.run import train as run
    run(load_recipe(recipe), stage, data, out, minutes=minutes, start=find(start) if start else None)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUNDIR", help="Directory with the checkpoints of all stages.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="BUNDLE", help="The model as one file (.spxm).")],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory of the data sets that the recipe names: probabilities are calibrated on its held-out "
            "pictures. By default they are not.",
            show_default=False,
        ),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="Take the model after an earlier stage: of adaptive, distortion or semantics. By default the last.",
            show_default=False,
        ),
    ] = None,
    sibling: Annotated[
        Path | None,
        typer.Option(
            metavar="RUNDIR",
            help="With --data, take temperatures from the held-out pictures of this run, by its networks: of the same "
            "recipe, but trained without pictures that resemble those held out. For scalable.",
            show_default=False,
        ),
    ] = None,
    beside: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="Name or path of a model: what it stores too is left out here. The new file is then of use only in "
            "the folder of that one.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Make a bundle, which codes without PyTorch, from the checkpoints of a model.

    With --data, each task gets a temperature, and learns to tell pictures that hold none of its labels.

    Example: semapix export runs/scalable --data data -o mine.spxm

    after which `semapix encode photo.jpg -o photo.spix --model mine.spxm` codes with it.
    """
    from semapix.bundle import find, leave_out
    from semapix.files import check_output

    check_output(out, force=force)
    lender = find(beside) if beside else None
    if lender and out.exists() and out.samefile(lender.path):
        raise ArgumentError(f"--beside (={beside}) must be another file than -o (={out}), which would overwrite it")
    with _training_packages():
        from semapix.training.export import export as make_bundle
    temperatures = make_bundle(run, out, data, stage=stage, sibling=sibling, force=force)
    shared = leave_out(out, lender) if lender else []
    say(f"{run} -> {out}  {out.stat().st_size:,} bytes")
    for task, temperature in temperatures.items():
        say(f"  {task}  temperature {temperature:.3f}")
    if lender:
        say(f"  {len(shared)} members left out, which {lender.path} stores")
