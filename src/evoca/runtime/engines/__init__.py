"""Engines that run a bundle's graph."""
