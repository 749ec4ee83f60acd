"""Copies of images: fingerprints, clusters, and groups that nothing may part."""
