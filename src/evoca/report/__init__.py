"""The report: one HTML file with the results of runs, which needs no network.

Needs the extra ``eval`` (Jinja); no PyTorch.
"""

from evoca.report.build import MOST_IMAGES, Built, build_report

__all__ = ["MOST_IMAGES", "Built", "build_report"]
