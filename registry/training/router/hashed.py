"""Texts as rows of hashed features, for scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def matrix(rows: Sequence[Sequence[int]], buckets: int) -> Any:
    """Return a sparse matrix of rows of features, each row as long as the next; a feature may be named repeatedly."""
    import numpy as np
    import scipy.sparse as sp

    starts = np.cumsum([0, *map(len, rows)])
    data = np.concatenate([np.full(len(row), 1 / np.sqrt(max(len(row), 1))) for row in rows])
    columns = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return sp.csr_matrix((data, columns, starts), shape=(len(rows), buckets))


def rarity(rows: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return for each feature how telling it is for being rare, from a matrix of rows."""
    import numpy as np

    parts = np.split(rows.indices, rows.indptr[1:-1])
    seen = np.bincount(np.concatenate([np.unique(one) for one in parts]), None, rows.shape[1])
    return np.asarray((np.log((1 + rows.shape[0]) / (1 + seen)) + 1) / 5)
