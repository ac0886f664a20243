"""What machines want of a codestream: tasks with their label spaces, and their results."""

from semapix.tasks.classification import Label, Task, top_labels

__all__ = ["Label", "Task", "top_labels"]
