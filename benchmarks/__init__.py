"""What is measured, and what takes too long for the tests."""
