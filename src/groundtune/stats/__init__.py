"""Statistics on arrays: how sure a mean or a difference is when examples come in clusters (those of one document).

Pure functions. A row is an example, its cluster label says which others it is like; scores lie between 0 and 1, and so
differences of scores between -1 and 1.
"""

from groundtune.stats.bootstrap import FEW_CLUSTERS, clustered_bootstrap, interval, probability_best
from groundtune.stats.clusters import design_effect
from groundtune.stats.permutation import holm, paired_p
from groundtune.stats.power import LEAST_EFFECT, examples_needed, smallest_detectable
from groundtune.stats.trainings import drawn_trainings, p_of_difference

__all__ = [
    "FEW_CLUSTERS",
    "LEAST_EFFECT",
    "clustered_bootstrap",
    "design_effect",
    "drawn_trainings",
    "examples_needed",
    "holm",
    "interval",
    "p_of_difference",
    "paired_p",
    "probability_best",
    "smallest_detectable",
]
