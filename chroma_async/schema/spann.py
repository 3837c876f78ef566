"""Options of SPANN, the index of the distributed service. They are checked for shape; a node of this kind uses only the space."""

from __future__ import annotations

from collections.abc import Mapping

from chroma_async.schema.json_shape import U32, read_choice, read_fields, read_number, read_unsigned
from chroma_async.types import Json, Space

_U32_DEFAULTS: dict[str, Json] = {
    "search_nprobe": 64,
    "nreplica_count": 8,
    "split_threshold": 50,
    "reassign_neighbor_count": 64,
    "merge_threshold": 25,
    "num_centers_to_merge_to": 8,
    "write_nprobe": 32,
}
_U64_DEFAULTS: dict[str, Json] = {"num_samples_kmeans": 1000, "ef_construction": 200, "ef_search": 200, "max_neighbors": 64}
_FLOAT_DEFAULTS: dict[str, Json] = {
    "search_rng_factor": 1.0,
    "search_rng_epsilon": 10.0,
    "write_rng_factor": 1.0,
    "write_rng_epsilon": 5.0,
    "initial_lambda": 100.0,
}
#: Has no default: giving it at all is a choice.
_DRIFT = "center_drift_threshold"
_QUANTIZE = "quantize"
_QUANTIZERS = ("none", "four_bit_rabit_q_with_u_search")
_DEFAULTS = {**_U32_DEFAULTS, **_U64_DEFAULTS, **_FLOAT_DEFAULTS}

CREATE_FIELDS = (
    "search_nprobe",
    "write_nprobe",
    "space",
    "ef_construction",
    "ef_search",
    "max_neighbors",
    "reassign_neighbor_count",
    "split_threshold",
    "merge_threshold",
)
UPDATE_FIELDS = ("search_nprobe", "ef_search")
SCHEMA_FIELDS = (*_DEFAULTS, _DRIFT, _QUANTIZE)


def read_options(value: Json, path: str, known: tuple[str, ...]) -> dict[str, Json]:
    """The options given, of those in ``known``; null, and ``quantize: "none"``, mean not given.

    :raises UnprocessableError: an unknown field, or a value of the wrong type. Ranges are not checked.
    """
    options = read_fields(value, path, known)
    read = {name: _read_option(name, option, f"{path}.{name}") for name, option in options.items()}
    if read.get(_QUANTIZE) == "none":
        del read[_QUANTIZE]
    return read


def _read_option(name: str, value: Json, path: str) -> Json:
    if name == "space":
        return read_choice(value, path, tuple(space.value for space in Space))
    if name == _QUANTIZE:
        return read_choice(value, path, _QUANTIZERS)
    if name == _DRIFT or name in _FLOAT_DEFAULTS:
        return read_number(value, path)
    return read_unsigned(value, path, U32) if name in _U32_DEFAULTS else read_unsigned(value, path)


def differs_from_default(options: Mapping[str, Json]) -> bool:
    """Whether any option given is not the default."""
    return any(value != _DEFAULTS.get(name) for name, value in options.items())
