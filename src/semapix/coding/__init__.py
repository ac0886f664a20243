"""Numbers to bytes and back, exact on every machine: range coder, tables, integer networks, latent models."""

from semapix.coding._bitplanes import (
    ACTIVITY_CONTEXTS,
    DISTANCE_CONTEXTS,
    ODDS_BITS,
    PLANES,
    VALUES,
    BitPlaneModel,
    Contexts,
    log_odds,
    whole_values,
)
from semapix.coding._bits import bit_counts
from semapix.coding._information import Information, counted_information, shown_symbols
from semapix.coding._integer import (
    ACTIVATION_LIMIT,
    FRACTION_BITS,
    WEIGHT_BITS,
    IntegerConv,
    IntegerNetwork,
    PixelShuffle,
)
from semapix.coding._latents import HYPER_STRIDE, Decoded, LatentGroup, LatentModel, State, anchors
from semapix.coding._rangecoder import RangeDecoder, RangeEncoder
from semapix.coding._tables import (
    GAUSSIAN_REACH,
    LEVELS,
    SCALE_HIGH,
    SCALE_LOW,
    TableBank,
    gaussian_counts,
    scale_of_level,
)

__all__ = [
    "ACTIVATION_LIMIT",
    "ACTIVITY_CONTEXTS",
    "DISTANCE_CONTEXTS",
    "FRACTION_BITS",
    "GAUSSIAN_REACH",
    "HYPER_STRIDE",
    "LEVELS",
    "ODDS_BITS",
    "PLANES",
    "SCALE_HIGH",
    "SCALE_LOW",
    "VALUES",
    "WEIGHT_BITS",
    "BitPlaneModel",
    "Contexts",
    "Decoded",
    "Information",
    "IntegerConv",
    "IntegerNetwork",
    "LatentGroup",
    "LatentModel",
    "PixelShuffle",
    "RangeDecoder",
    "RangeEncoder",
    "State",
    "TableBank",
    "anchors",
    "bit_counts",
    "counted_information",
    "gaussian_counts",
    "log_odds",
    "scale_of_level",
    "shown_symbols",
    "whole_values",
]
