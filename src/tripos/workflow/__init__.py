"""The run: table -> task -> candidates -> validation -> test -> report -> saved model."""
