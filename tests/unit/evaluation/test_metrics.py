"""Every expected figure is worked out by hand in the comment beside it."""

import numpy as np
import pytest

from soutu.evaluation.metrics import (
    average_precision,
    judged_ranking,
    mean_average_precision,
    precision_at,
    recall_at,
)

# First query: hits at ranks 1, 3 and 6 of six; second query: one hit, at rank 2.
JUDGED = np.array([[1, 0, 1, 0, 0, 1], [0, 1, 0, 0, 0, 0]], np.bool_)
RELEVANT = np.array([3, 2], np.int64)  # the second query's other relevant item was not ranked at all


def test_precision_counts_the_hits_among_the_first_ranks() -> None:
    assert precision_at(JUDGED, 1).tolist() == [1, 0]
    assert precision_at(JUDGED, 4).tolist() == [2 / 4, 1 / 4]


def test_precision_counts_missing_ranks_as_misses() -> None:
    assert precision_at(JUDGED, 12).tolist() == [3 / 12, 1 / 12]


def test_recall_counts_the_share_of_the_relevant_items() -> None:
    np.testing.assert_allclose(recall_at(JUDGED, RELEVANT, 3), [2 / 3, 1 / 2])


def test_average_precision_is_the_mean_precision_at_the_hits() -> None:
    # The first query has precisions 1/1, 2/3 and 3/6 at its three hits; the second 1/2 and an item not found.
    np.testing.assert_allclose(average_precision(JUDGED, RELEVANT), [13 / 18, 1 / 4])


def test_mean_average_precision_is_the_mean_over_queries() -> None:
    assert mean_average_precision(JUDGED, RELEVANT) == pytest.approx((13 / 18 + 1 / 4) / 2)


def test_queries_without_relevant_items_are_left_out() -> None:
    judged = np.vstack([JUDGED, np.zeros((1, 6), np.bool_)])
    relevant = np.array([3, 2, 0], np.int64)

    assert np.isnan(average_precision(judged, relevant)[2])
    assert np.isnan(recall_at(judged, relevant, 3)[2])
    assert mean_average_precision(judged, relevant) == pytest.approx((13 / 18 + 1 / 4) / 2)


def test_there_is_no_mean_over_nothing() -> None:
    with pytest.raises(ValueError, match="no query"):
        mean_average_precision(np.zeros((1, 3), np.bool_), np.array([0], np.int64))


def test_k_begins_at_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        precision_at(JUDGED, 0)


def test_judging_ranks_by_score_and_keeps_the_order_of_equals() -> None:
    scores = np.array([[0.2, 0.9, 0.9, 0.5]], np.float32)

    judged = judged_ranking(scores, np.array([7], np.int64), np.array([7, 0, 7, 7], np.int64))

    assert judged.tolist() == [[False, True, True, True]]


def test_an_excluded_item_is_last_and_not_relevant() -> None:
    scores = np.array([[-np.inf, 0.1, -0.3]], np.float32)

    judged = judged_ranking(scores, np.array([7], np.int64), np.array([7, 7, 0], np.int64))

    assert judged.tolist() == [[True, False, False]]
