"""Large JPEGs, decoded at reduced scale, are predicted as they are when decoded in full."""

import io

import numpy as np
from PIL import Image

from evoca.images.sources import load_image
from evoca.runtime.predictor import load


def enlarged(path, noise):
    """A photograph at two megapixels with grain, which a small one does not have."""
    with Image.open(path) as opened:
        large = np.asarray(opened.convert("RGB").resize((1600, 1200), Image.Resampling.BICUBIC))
    grain = noise.normal(0, 6, large.shape)
    target = io.BytesIO()
    Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(
        target, "JPEG", quality=90
    )
    return target.getvalue()


def test_predictions_agree_with_those_of_a_full_decode(shared_data):
    photographs = sorted((shared_data / "oasis").rglob("*.jpg"))[::6][:100]
    model, noise = load(), np.random.default_rng(0)
    scaled = model.card.preprocessing
    assert scaled.jpeg_min_scale == 1.0
    full = scaled.model_copy(update={"jpeg_min_scale": 0.0})
    found = []
    for path in photographs:
        data = enlarged(path, noise)
        pair = [load_image(data, own).pixels for own in (full, scaled)]
        found.append([list(model.predict(own).probabilities.values()) for own in pair])
    shares = np.array(found)
    assert (shares[:, 0].argmax(1) == shares[:, 1].argmax(1)).mean() >= 0.99
    assert np.abs(shares[:, 0] - shares[:, 1]).mean() <= 0.01
