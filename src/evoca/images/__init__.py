"""Images from bytes to pixels: the only code that opens, orients, limits and resizes them.

Training, ``predict`` and everything built on them go through this package, so they
all use the same pixels.
"""

from evoca.images.decode import DecodedImage, ImageLimits, decode
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import ImageInput, LoadedImage, load_image
from evoca.images.walk import IMAGE_SUFFIXES, LeftOut, find_images, printable_name, walk_order

__all__ = [
    "IMAGE_SUFFIXES",
    "DecodedImage",
    "ImageInput",
    "ImageLimits",
    "LeftOut",
    "LoadedImage",
    "Preprocessing",
    "decode",
    "find_images",
    "load_image",
    "printable_name",
    "walk_order",
]
