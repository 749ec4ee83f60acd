"""Pretrained networks in five stages."""

from evoca.lab.backbones.frozen import StagedBackbone, load_backbone, load_probe, pool_to
from evoca.lab.backbones.trunk import Pool, Trunk, build_trunk

__all__ = [
    "Pool",
    "StagedBackbone",
    "Trunk",
    "build_trunk",
    "load_backbone",
    "load_probe",
    "pool_to",
]
