"""What machines want of a codestream: tasks with their label spaces, heads that were taught, and their results."""

from semapix.tasks.calibration import fit_temperature, log_loss, probabilities
from semapix.tasks.classification import CLASSIFY, Label, Labels, Task, top_labels
from semapix.tasks.coco import ResultIds, check_entry, read_annotations
from semapix.tasks.detection import Answers, Detection, Detections, Frame, find_objects, places
from semapix.tasks.head import Head, TaughtTask, teach_task
from semapix.tasks.linear import CrossValidated, LinearClassifier, fit_linear, fit_on_split
from semapix.tasks.novelty import FOREIGN, evidence, evidence_quantiles, none_of_these
from semapix.tasks.run_lengths import RunLengths

__all__ = [
    "CLASSIFY",
    "FOREIGN",
    "Answers",
    "CrossValidated",
    "Detection",
    "Detections",
    "Frame",
    "Head",
    "Label",
    "Labels",
    "LinearClassifier",
    "ResultIds",
    "RunLengths",
    "Task",
    "TaughtTask",
    "check_entry",
    "evidence",
    "evidence_quantiles",
    "find_objects",
    "fit_linear",
    "fit_on_split",
    "fit_temperature",
    "log_loss",
    "none_of_these",
    "places",
    "probabilities",
    "read_annotations",
    "teach_task",
    "top_labels",
]
