"""What machines want of a codestream: tasks with their label spaces, heads that were taught, and their results."""

from semapix.tasks.calibration import fit_temperature, log_loss, probabilities
from semapix.tasks.classification import Label, Labels, Task, top_labels
from semapix.tasks.head import Head, TaughtTask, teach_task
from semapix.tasks.linear import CrossValidated, LinearClassifier, fit_linear, fit_on_split
from semapix.tasks.novelty import FOREIGN, evidence, evidence_quantiles, none_of_these

__all__ = [
    "FOREIGN",
    "CrossValidated",
    "Head",
    "Label",
    "Labels",
    "LinearClassifier",
    "Task",
    "TaughtTask",
    "evidence",
    "evidence_quantiles",
    "fit_linear",
    "fit_on_split",
    "fit_temperature",
    "log_loss",
    "none_of_these",
    "probabilities",
    "teach_task",
    "top_labels",
]
