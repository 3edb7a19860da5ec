"""What varies in a data set: which operations turn one image of a class into another."""

from invariscope.search.operations import Operation, get_operations
from invariscope.search.prepare import Search, prepare_search
from invariscope.search.ranks import Ranks, rank
from invariscope.search.result import Factors
from invariscope.search.search import carry_out, find_factors

__all__ = [
    "Factors",
    "Operation",
    "Ranks",
    "Search",
    "carry_out",
    "find_factors",
    "get_operations",
    "prepare_search",
    "rank",
]
