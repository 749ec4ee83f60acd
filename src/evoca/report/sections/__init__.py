"""The sections of the page, each computed from one run, without HTML."""
