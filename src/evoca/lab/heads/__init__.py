"""Heads fitted on frozen features: linear layers, support vector machines, sentences."""
