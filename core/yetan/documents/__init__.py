"""Documents: papers that can be printed for a subject."""
