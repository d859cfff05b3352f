"""Tests of keeping the house."""
