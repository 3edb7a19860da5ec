"""What is sure of a number: intervals, permutation tests, ranks, false discovery rates."""
