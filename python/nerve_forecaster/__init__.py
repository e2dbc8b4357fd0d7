"""Forecasts of grid carbon and spot prices for Nerve: trained here with PyTorch, used in TypeScript.

`python -m nerve_forecaster --help` trains, evaluates and exports. What is exported is a small JSON of plain numbers; Nerve's
engine multiplies a matrix with a vector and needs no Python. Only `model` and `fit` import torch: reading history, the
baselines and the metrics work without it.
"""

__version__ = "0.1.0"
