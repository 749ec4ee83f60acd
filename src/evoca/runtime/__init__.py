"""From a model bundle and images to predictions, without PyTorch."""
