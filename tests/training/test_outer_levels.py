"""Levels of the outer unit belong to the lambdas that they were trained for."""

import re
from dataclasses import replace

import pytest

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.recipe import load_recipe
from semapix.training.run import train


def test_other_lambdas_than_those_of_the_model_to_start_from_are_refused(tiny_bundle, training_data, tmp_path):
    recipe = load_recipe("scalable-tiny")
    other = replace(recipe, outer=replace(recipe.outer, lambda_high=0.2))
    text = "lambda_low and lambda_high (=(0.0015, 0.2)) must be those of the model to start from, (0.0015, 0.08)"
    with pytest.raises(ArgumentError, match=re.escape(text)):
        train(other, "outer", training_data, tmp_path, steps=1, start=Bundle(tiny_bundle))
