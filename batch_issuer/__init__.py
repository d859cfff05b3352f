"""Issue badges to spreadsheets of customers through a maker-checker workflow; account for every row."""

__all__ = ["__version__"]

__version__ = "0.1.0"
