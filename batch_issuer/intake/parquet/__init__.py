"""Parquet files: their footer is checked before their columns are read and written as text."""
