"""What training needs, and what it does without."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
for package in {packages}:
    sys.modules[package] = None
import semapix.training.run, semapix.training.export
"""


@pytest.mark.parametrize("packages", [["constriction"], ["typer"]])
def test_training_runs_where_the_coder_or_the_command_line_is_not_installed(packages):
    code = WITHOUT.format(packages=packages)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
