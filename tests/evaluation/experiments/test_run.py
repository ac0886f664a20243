"""What a run says of the models that it measured."""

import shutil

import pytest

from semapix.errors import ModelError
from semapix.evaluation.experiments._run import bundles_of
from semapix.evaluation.tested import choose, code
from tests.pictures import picture


def test_a_model_that_was_replaced_is_not_the_one_that_was_measured(tiny_bundle, tiny_bundles, tmp_path):
    path = tmp_path / "model.spxm"
    shutil.copy(tiny_bundle, path)
    codecs, _ = choose([str(path), "jpeg"], {})
    (bundle,) = bundles_of(codecs)
    assert bundle.fingerprint.hex() == codecs[0].fingerprint == codecs[0].depends["model"]
    shutil.copy(tiny_bundles["adaptive"], tmp_path / "other.spxm")
    (tmp_path / "other.spxm").replace(path)
    text = r"model\.spxm: was replaced while it was measured; run the command again for the new model"
    with pytest.raises(ModelError, match=text):
        bundles_of(codecs)
    with pytest.raises(ModelError, match=text):
        code(codecs[0], 5, picture(20, 20))
