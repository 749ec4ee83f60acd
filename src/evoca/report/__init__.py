"""The report: one HTML file that shows what runs found, opens offline and asks for nothing.

Needs the extra ``eval`` (Jinja); no PyTorch.
"""

from evoca.report.build import MOST_IMAGES, Built, build_report

__all__ = ["MOST_IMAGES", "Built", "build_report"]
