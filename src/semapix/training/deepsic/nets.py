"""The networks of DeepSIC: feature extraction f, reconstruction g, semantic analysis h (paper, section III).

Feature extraction and reconstruction start as the best linear transform of 8x8 blocks and its inverse; the branches
with activations start at zero. A short training gains much by it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.deepsic.recipe import DeepsicModel

__all__ = ["FeatureExtraction", "Reconstruction", "SemanticAnalysis", "start_from_principal_components"]


def _active(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.1)


def _normed(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class FeatureExtraction(nn.Module):
    """Four stages of convolution, subsampling and batch norm; earlier stages' outputs are added to later ones.

    (B, 3, H, W) in the range of `normalise`, H and W multiples of the product of the strides, to (B, M, h, w). The
    added outputs pass through a linear map where resolution or width changes, so nothing is lost on their way.
    """

    def __init__(self, model: DeepsicModel) -> None:
        super().__init__()
        widths, strides, kernels = model.widths, model.strides, model.kernels
        inputs = [3, *widths[:-1]]
        self.stages = nn.ModuleList(
            _normed(i, o, kernel, stride) for i, o, kernel, stride in zip(inputs, widths, kernels, strides, strict=True)
        )
        self.shortcuts = nn.ModuleList(
            nn.Identity() if stride == 1 and i == o else nn.Conv2d(i, o, stride, stride, bias=False)
            for i, o, stride in zip(inputs[1:], widths[1:], strides[1:], strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages[0](x)
        for stage, shortcut in zip(self.stages[1:], self.shortcuts, strict=True):
            x = shortcut(x) + stage(_active(x))
        return x


class _Stage(nn.Module):
    """One stage of the reconstruction: what comes in goes on through a deconvolution and through an interpolation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, last: bool) -> None:
        super().__init__()
        self.stride = stride
        self.deconvolution: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.deconvolution = nn.ConvTranspose2d(inputs, outputs, 2 * stride, stride, padding=stride // 2)
        self.plain = _normed(inputs, outputs, kernel)
        nn.init.zeros_(self.plain[1].weight)
        self.detail: nn.Module | None = None
        if last:  # before the pixels, where resolution is highest
            self.detail = _normed(inputs, inputs, 3)
            nn.init.zeros_(self.detail[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        if self.detail is not None:
            x = x + self.detail(_active(x))
        plain = self.plain(_active(x))
        if self.stride > 1:
            plain = functional.interpolate(plain, scale_factor=float(self.stride), mode="bilinear")
        return self.deconvolution(x) + plain


class Reconstruction(nn.Module):
    """The mirror of `FeatureExtraction`: (B, M, h, w) to (B, 3, H, W); in each stage two paths are summed."""

    def __init__(self, model: DeepsicModel) -> None:
        super().__init__()
        outputs = [*reversed(model.widths[:-1]), 3]
        inputs = list(reversed(model.widths))
        kernels = [*reversed(model.kernels[1:]), 3]
        strides = list(reversed(model.strides))
        self.stages = nn.ModuleList(
            _Stage(i, o, kernel, stride, o == 3)
            for i, o, kernel, stride in zip(inputs, outputs, kernels, strides, strict=True)
        )

    def forward(self, features: Tensor) -> Tensor:
        for stage in self.stages:
            features = stage(features)
        return features


class SemanticAnalysis(nn.Module):
    """Convolutions and two fully connected layers: features (B, M, h, w) to logits (B, classes)."""

    def __init__(self, model: DeepsicModel, classes: int) -> None:
        super().__init__()
        inputs = model.widths[-1]
        layers: list[nn.Module] = [*_normed(inputs, inputs, 1)]
        for width, stride in zip(model.head_widths, model.head_strides, strict=True):
            layers += [*_normed(inputs, width, 3, stride), nn.ReLU(inplace=True)]
            inputs = width
        self.convolutions = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(model.head_pool)
        self.connected = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs * model.head_pool**2, model.head_hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(model.dropout),
            nn.Linear(model.head_hidden, classes),
        )

    @torch.no_grad()
    def start(self, features: Tensor) -> None:
        """Let the first convolution scale the features of some training pictures to equal strength."""
        self.convolutions[0].weight.copy_(torch.diag(1 / features.std(dim=(0, 2, 3)).clamp(min=1e-3))[:, :, None, None])

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.connected(self.pool(self.convolutions(features)))
        return logits


def _principal_components(samples: Tensor) -> Tensor:
    """All principal directions of (N, C), strongest first, as rows (C, C)."""
    precise = samples.double()
    _, vectors = torch.linalg.eigh(precise.T @ precise)
    return vectors.flip(1).T.float()


@torch.no_grad()
def start_from_principal_components(
    features: FeatureExtraction, reconstruction: Reconstruction, pictures: Tensor
) -> None:
    """Set the linear path of both networks to the principal components of blocks of `pictures` (N, 3, H, W).

    Two steps, as the strides are: blocks of the first stride, then 2x2 of those, if the second stage has one. Batch
    norm of the first stage starts as the identity.
    """
    begin: Any = features.stages[0]
    first, norm, second = begin[0], begin[1], features.shortcuts[0]
    side, width = first.stride[0], first.out_channels
    basis = _principal_components(functional.pixel_unshuffle(pictures, side).permute(0, 2, 3, 1).flatten(0, 2))[:width]
    kept = len(basis)
    first.weight.mul_(0.01)
    # A stride's block begins at its own position: padding moves the kernel by kernel // 2.
    offset = first.kernel_size[0] // 2
    block = basis.reshape(kept, 3, side, side)
    first.weight[:kept, :, offset : offset + side, offset : offset + side] = block
    low = first(pictures)
    norm.running_mean.copy_(low.mean(dim=(0, 2, 3)))
    norm.running_var.copy_(low.var(dim=(0, 2, 3)))
    norm.weight.copy_((norm.running_var + norm.eps).sqrt())
    norm.bias.copy_(norm.running_mean)
    later: Any
    for later in features.stages[1:]:
        nn.init.zeros_(later[1].weight)
    last: Any = reconstruction.stages[-1].deconvolution
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    at = last.padding[0]
    last.weight[:kept, :, at : at + side, at : at + side] = block
    if isinstance(second, nn.Conv2d):
        step = second.stride[0]
        basis = _principal_components(functional.pixel_unshuffle(low, step).permute(0, 2, 3, 1).flatten(0, 2))[
            : second.out_channels
        ]
        second.weight.copy_(basis.reshape(-1, width, step, step))
        up: Any = reconstruction.stages[-2].deconvolution
        nn.init.zeros_(up.weight)
        nn.init.zeros_(up.bias)
        at = up.padding[0]
        up.weight[:, :, at : at + step, at : at + step] = basis.reshape(-1, width, step, step)
