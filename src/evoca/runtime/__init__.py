"""Predictions of a model bundle for images, without PyTorch."""
