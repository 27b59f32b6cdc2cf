"""How safe it is: attacks on the grader, and accidents of every kind."""
