"""VGG16 up to its last convolution, for weights that a user brings (Simonyan and Zisserman, ICLR 2015)."""

from __future__ import annotations

from torch import Tensor, nn

from semapix.training.normalise import denormalise_float

__all__ = ["Vgg16"]

_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures in 0..1


class Vgg16(nn.Module):
    """Its convolutions, under the names of torchvision's `vgg16` (`features.0.weight`, ...).

    `forward`: pictures (B, 3, H, W) in the range of `normalise` to the features after the last one, block5_conv3, and
    its ReLU, in a list: (B, 512, H/16, W/16), H and W multiples of 16.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for number, block in enumerate(_WIDTHS):
            if number:
                layers.append(nn.MaxPool2d(2))
            for width in block:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        x = denormalise_float(pictures) / 255.0
        mean, deviation = (x.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION))
        return [self.features((x - mean) / deviation)]
