"""Nothing is lost, and nothing wrong is taken for right: the campaign (python -m audits.torture)."""
