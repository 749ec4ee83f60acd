"""The parts of the page, each computed from one run alone; they draw, but write no HTML."""
