"""Finds what varies in a data set: the operations that turn one image of a class into another."""

from invariscope.search.job import Search
from invariscope.search.operations import get_operations
from invariscope.search.prepare import prepare_search
from invariscope.search.ranks import Ranks, rank
from invariscope.search.request import SearchRequest
from invariscope.search.result import Factors
from invariscope.search.search import find_factors

__all__ = [
    "Factors",
    "Ranks",
    "Search",
    "SearchRequest",
    "find_factors",
    "get_operations",
    "prepare_search",
    "rank",
]
