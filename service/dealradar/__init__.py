"""DealRadar: deals, reviews and comments, served over HTTP."""

__version__ = "0.1.0"
