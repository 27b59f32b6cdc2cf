"""What makes a site of the chapters: they are run (run), and Sphinx (conf) builds two languages (build)."""
