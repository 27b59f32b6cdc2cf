"""The torture campaign: nothing is lost, and nothing damaged is accepted (python -m audits.torture)."""
