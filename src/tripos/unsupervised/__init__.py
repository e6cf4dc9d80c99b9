"""Experience without labels: groups, projections, patterns, outliers, densities."""
