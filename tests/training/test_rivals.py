"""The networks that the transform is compared with."""

import pytest
import torch

from semapix.evaluation.multiplications import multiplications
from semapix.training.normalise import normalise
from semapix.training.recipe import load_recipe
from semapix.training.scalable.model import new_scalable
from semapix.training.scalable.nets.rivals import RIVALS, ReversibleNetwork
from semapix.training.scalable.rival import RivalSystem


@pytest.mark.parametrize("name", RIVALS)
def test_work_is_that_of_the_shipped_transform(name):
    labels = {"coarse": ["a"] * 21, "fine": ["b"] * 212, "parents": [0] * 212}
    transform = new_scalable(load_recipe("scalable"), labels).transform.eval()
    core = torch.zeros(1, 3, 64, 64)
    wanted = multiplications(transform.lifting, lambda: transform.lifting(normalise(core)))
    rival = RIVALS[name](64, 5).eval()
    assert multiplications(rival, lambda: rival(core)) == pytest.approx(wanted, rel=0.05)
    assert rival(torch.zeros(2, 3, 64, 64)).shape == (2, rival.features)


def test_the_reversible_network_keeps_all_numbers_of_the_picture():
    network = ReversibleNetwork(64, 5)
    seen = []
    network.end.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].numel()))
    network(torch.zeros(2, 3, 64, 64))
    assert seen == [2 * 3 * 64 * 64]


def test_a_rival_is_asked_about_pictures_of_any_size():
    labels = {"coarse": ["a", "b"], "fine": ["p", "q", "r"], "parents": [0, 1, 1]}
    system = RivalSystem("plain", load_recipe("scalable-tiny"), labels).eval()
    coarse, fine = system.logits(255 * torch.rand(2, 3, 24, 20))
    assert (coarse.shape, fine.shape) == ((2, 2), (2, 3))
