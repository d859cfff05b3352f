"""What is fast, and what stays out of each other's way: measured side by side, never asserted in tests."""
