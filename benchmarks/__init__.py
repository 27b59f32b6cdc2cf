"""How fast it is, and the figures that were published."""
