"""Says how sure a number is: intervals, permutation tests, ranks, false discovery rates."""
