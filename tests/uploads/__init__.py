"""Uploads: from a stream of bytes to what may be issued."""
