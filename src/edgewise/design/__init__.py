"""What to run on what: variants, measuring, statistics, choice, report."""
