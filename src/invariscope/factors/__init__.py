"""What varies in a data set: which operations turn one image of a class into another."""

from invariscope.factors.operations import Operation, get_operations
from invariscope.factors.prepare import Search, prepare_search
from invariscope.factors.ranks import Ranks, rank
from invariscope.factors.result import Factors
from invariscope.factors.search import carry_out, find_factors

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
