"""Records to a verdict: which approach to ship, how sure that is, and what would flip it."""

from groundtune.decide.facts import Facts, break_even_queries, cost_per_1000
from groundtune.decide.plan import smallest_visible_difference
from groundtune.decide.verdict import Verdict, decide

__all__ = ["Facts", "Verdict", "break_even_queries", "cost_per_1000", "decide", "smallest_visible_difference"]
