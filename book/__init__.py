"""Makes a site of the chapters: run executes them, conf configures Sphinx, build makes both languages."""
