"""Trees on binned columns: one engine for boosting and forests; files are its stages."""
