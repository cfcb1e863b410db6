"""Measures of a ranking against known answers.

A judged ranking is a boolean array (queries, ranks): whether the match at each rank, best first, is relevant
to the query. Definitions follow Manning, Raghavan & Schütze, "Introduction to Information Retrieval" (2008),
chapter 8; average precision is the one without interpolation. All results lie in [0, 1].
"""

import numpy as np
from numpy.typing import NDArray

Judged = NDArray[np.bool_]  # shape (queries, ranks), best rank first
Counts = NDArray[np.int64]  # shape (queries,): how many relevant items there are for each query
Measures = NDArray[np.float64]  # shape (queries,), one figure for each query


def judged_ranking(scores: NDArray[np.float32], query_labels: Counts, item_labels: Counts) -> Judged:
    """Ranks items for each query by `scores` (queries, items), larger first; relevant means equal labels.

    Items with equal scores stand in their given order. An item scored -inf (such as the query itself) is
    ranked last and never relevant.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    relevant = (query_labels[:, None] == item_labels[None, :]) & (scores > -np.inf)
    judged: Judged = np.take_along_axis(relevant, order, axis=1)
    return judged


def precision_at(judged: Judged, k: int) -> Measures:
    """The share of the first `k` ranks that is relevant; ranks that do not exist count as not relevant."""
    _check_k(k)
    return np.asarray(judged[:, :k].sum(axis=1) / k, np.float64)


def recall_at(judged: Judged, relevant: Counts, k: int) -> Measures:
    """The share of the relevant items found in the first `k` ranks; NaN for a query that has none."""
    _check_k(k)
    return _share(judged[:, :k].sum(axis=1).astype(np.float64), relevant)


def average_precision(judged: Judged, relevant: Counts) -> Measures:
    """The mean, over a query's relevant items, of the precision at the rank of each; NaN where it has none.

    An item that is not in the ranking counts with precision 0, so a short ranking is not flattered.
    """
    found = np.cumsum(judged, axis=1)
    precisions = found / np.arange(1, judged.shape[1] + 1)
    return _share((precisions * judged).sum(axis=1), relevant)


def mean_average_precision(judged: Judged, relevant: Counts) -> float:
    """The mean of `average_precision` over the queries that have a relevant item; ValueError if none has."""
    measures = average_precision(judged, relevant)
    answerable = measures[~np.isnan(measures)]
    if not len(answerable):
        raise ValueError("no query has a relevant item, so there is no mean average precision")
    return float(answerable.mean())


def _share(found: Measures, relevant: Counts) -> Measures:
    shares = np.full(found.shape, np.nan)
    np.divide(found, relevant, out=shares, where=relevant > 0)
    return shares


def _check_k(k: int) -> None:
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}")
