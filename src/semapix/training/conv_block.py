"""What analysis and synthesis transforms are made of: residual blocks, and where their weights start from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BlockConv", "BlockTranspose", "ConvBlock", "HalvingConv", "principal_components", "start_of_detail"]

_RIDGE = 1e-6  # as a share of the mean sum of squares: what pixels of blocks that never vary would divide by


class ConvBlock(nn.Module):
    """Two 3x3 convolutions: (B, C, H, W) to the same, with `inner` channels between. Starts as the identity.

    `slope`: of the leaky ReLU between them.
    """

    def __init__(self, channels: int, inner: int, slope: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.second = nn.Conv2d(inner, channels, 3, padding=1)
        self.slope = slope
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.leaky_relu(self.first(x), self.slope))


class HalvingConv(nn.Conv2d):
    """A convolution of stride 2, its kernel odd: (B, I, H, W) to (B, O, ceil(H/2), ceil(W/2)).

    It pads by itself. On maps of one or two positions some taps never meet a value, and what oneDNN gives for their
    gradient when the padding is its own is memory that was never written: not a number, or 1e28.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(inputs, outputs, kernel, stride=2)
        self.margin = kernel // 2

    def forward(self, input: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():  # no gradients, and a graph whose shapes can be inferred
            return functional.conv2d(input, self.weight, self.bias, stride=2, padding=self.margin)
        return super().forward(functional.pad(input, [self.margin] * 4))


class BlockConv(nn.Conv2d):
    """A convolution of blocks of pixels that does not take them apart.

    (B, I, H, W) to (B, O, H / s, W / s), s = `block` * `kernel`; H and W are multiples of s. The same as
    `pixel_unshuffle` by `block` and then a convolution of I * block^2 channels, whose weight it keeps: moving pixels
    about took ONNX Runtime longer than the product.
    """

    def __init__(self, inputs: int, outputs: int, block: int, kernel: int = 1, *, bias: bool = True) -> None:
        super().__init__(inputs * block**2, outputs, kernel, stride=kernel, bias=bias)
        self.block = block

    def forward(self, input: Tensor) -> Tensor:
        taps = functional.pixel_shuffle(self.weight, self.block)
        return functional.conv2d(input, taps, self.bias, stride=taps.shape[2])


class BlockTranspose(nn.ConvTranspose2d):
    """A transposed convolution whose kernels do not overlap: (B, I, H, W) to (B, O, kernel * H, kernel * W).

    Computed as a convolution with a kernel of one position, then `pixel_shuffle`: the same numbers in less time.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, stride=kernel, bias=bias)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        side = self.kernel_size[0]
        weight = self.weight.flatten(1).T[:, :, None, None]
        bias = None if self.bias is None else self.bias.repeat_interleave(side**2)
        return functional.pixel_shuffle(functional.conv2d(input, weight, bias), side)


def principal_components(x: Tensor, count: int) -> Tensor:
    """The first `count` principal directions of the channels of (N, C, H, W), as rows (count, C)."""
    samples = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).double()
    _, vectors = torch.linalg.eigh(samples.T @ samples)
    return vectors.flip(1)[:, :count].T.float()


@torch.no_grad()
def start_of_detail(analysis: nn.Conv2d, synthesis: nn.ConvTranspose2d, seen: Tensor, missed: Tensor) -> None:
    """Let a linear path, two convolutions of blocks, code what is `missed` of what it has `seen`, (N, C, H, W) both.

    The synthesis becomes the principal components of blocks that are missed, the analysis the best linear guess of what
    these take, from the blocks themselves.
    """
    side = analysis.kernel_size[0]
    blocks, wanted = (functional.pixel_unshuffle(x, side) for x in (seen, missed))
    components = principal_components(wanted, analysis.out_channels)
    x, y = (part.permute(0, 2, 3, 1).reshape(-1, part.shape[1]).double() for part in (blocks, wanted))
    moments = x.T @ x
    ridge = _RIDGE * moments.diagonal().mean() * torch.eye(len(moments), dtype=x.dtype, device=x.device)
    guess = torch.linalg.solve(moments + ridge, x.T @ (y @ components.double().T))
    analysis.weight.copy_(guess.T.reshape(analysis.weight.shape))
    synthesis.weight.copy_(components.reshape(synthesis.weight.shape))
