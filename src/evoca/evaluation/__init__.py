"""How good a model is: figures with intervals, calibration, significance.

Works on labels and predicted probabilities alone, in NumPy; needs no PyTorch.
"""
