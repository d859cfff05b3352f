"""Feeds the reader rubbish, for as long as it is told to."""
