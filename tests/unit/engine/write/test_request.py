from __future__ import annotations

import numpy as np
import pytest

from chroma_async.engine.write.request import Update, check_batch
from chroma_async.errors import ChromaError, InvalidArgumentError, InvalidDimensionException, UnprocessableError
from chroma_async.types import RecordBatch, WriteKind

ONE = np.ones((1, 2), dtype=np.float32)
TWO = np.ones((2, 2), dtype=np.float32)


@pytest.mark.parametrize(
    "batch",
    [
        RecordBatch(["a"], TWO),
        RecordBatch(["a"], ONE, documents=[]),
        RecordBatch(["a"], ONE, uris=[None, None]),
        RecordBatch(["a"], ONE, metadatas=[]),
        RecordBatch([], ONE),
        RecordBatch([], np.zeros((0, 0), dtype=np.float32), documents=[None]),
    ],
)
def test_columns_of_another_length_than_ids_are_refused(batch: RecordBatch) -> None:
    for kind in WriteKind:
        with pytest.raises(InvalidArgumentError, match="Inconsistent number of ids"):
            check_batch(kind, batch)


def test_an_update_whose_vectors_are_all_null_must_still_match_the_ids_and_carries_none() -> None:
    nothing = np.zeros((2, 0), dtype=np.float32), np.zeros(2, dtype=np.bool_)
    checked = check_batch(WriteKind.UPDATE, RecordBatch(["a", "b"], *nothing))
    assert isinstance(checked, Update)
    assert (checked.embeddings, checked.present) == (None, None)
    with pytest.raises(InvalidArgumentError, match="Inconsistent"):
        check_batch(WriteKind.UPDATE, RecordBatch(["a"], *nothing))


def test_an_empty_batch_is_accepted() -> None:
    for kind in WriteKind:
        assert check_batch(kind, RecordBatch([], np.zeros((0, 0), dtype=np.float32))).ids == []


def test_an_empty_id_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidArgumentError, match=r"ids\[1\] is empty"):
        check_batch(WriteKind.ADD, RecordBatch(["a", ""], TWO))


def test_add_and_upsert_want_a_vector_for_each_id() -> None:
    for kind in (WriteKind.ADD, WriteKind.UPSERT):
        for batch in (RecordBatch(["a"], None), RecordBatch(["a"], ONE, np.array([False]))):
            with pytest.raises(UnprocessableError, match="embeddings"):
                check_batch(kind, batch)


def test_a_vector_of_no_length_is_a_dimension_error() -> None:
    with pytest.raises(InvalidDimensionException, match="dimension"):
        check_batch(WriteKind.ADD, RecordBatch(["a"], np.zeros((1, 0), dtype=np.float32)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 2e19])
def test_a_vector_without_a_finite_norm_is_refused(value: float) -> None:
    vectors = np.array([[1, 1], [value, 0]], dtype=np.float32)
    with pytest.raises(InvalidArgumentError, match=r"embeddings\[1\]"):
        check_batch(WriteKind.ADD, RecordBatch(["a", "b"], vectors))


@pytest.mark.parametrize(
    "batch",
    [RecordBatch(["a\ud800"], ONE), RecordBatch(["a"], ONE, documents=["\udfff"]), RecordBatch(["a"], ONE, uris=["\ud800"])],
)
def test_text_with_a_lone_surrogate_is_refused(batch: RecordBatch) -> None:
    with pytest.raises(InvalidArgumentError, match="lone surrogate"):
        check_batch(WriteKind.ADD, batch)


def test_metadata_comes_back_normalised_per_verb() -> None:
    added = check_batch(WriteKind.ADD, RecordBatch(["a", "b"], TWO, metadatas=[{"e": [], "f": [1.5, 2], "z": -0.0}, None]))
    assert added.metadatas == [{"f": [1.5, 2.0], "z": 0.0}, None]
    updated = check_batch(WriteKind.UPDATE, RecordBatch(["a"], None, metadatas=[{"gone": None, "kept": "x"}]))
    assert updated.metadatas == [{"gone": None, "kept": "x"}]


@pytest.mark.parametrize("metadata", [{"k": None}, {"k": {}}, {"k": [1, "x"]}, {"": 1}, {"#k": 1}])
def test_bad_metadata_refuses_the_batch(metadata: dict[str, object]) -> None:
    with pytest.raises(ChromaError) as caught:
        check_batch(WriteKind.ADD, RecordBatch(["a"], ONE, metadatas=[metadata]))  # type: ignore[list-item]
    assert caught.value.code() in (400, 422)
