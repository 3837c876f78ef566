"""Filters: what ``where`` and ``where_document`` mean. :mod:`parse` judges the JSON, :mod:`ast` names the result,
:mod:`evaluate` is its meaning, :mod:`patterns` are its regular expressions.

No column, index or file is known here; the fast evaluation over columns lives in :mod:`chroma_async.index.mask` and must agree with
:mod:`evaluate` row by row.
"""
