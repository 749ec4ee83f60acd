"""Pages that need no network: the results of runs, and predictions with their pictures."""

from evoca.report.build import MOST_IMAGES, Built, build_report

__all__ = ["MOST_IMAGES", "Built", "build_report"]
