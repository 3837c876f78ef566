"""Spans of the engine's work, made of what was noted of it once it has ended. Only OpenTelemetry's API is used here.

Without an SDK, and at granularity ``none``, nothing is made and nothing is paid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import Span, Status, StatusCode, Tracer

from chroma_async.config.settings import GRANULARITIES
from chroma_async.errors import ChromaError
from chroma_async.observation import Observation, Step

#: Plans of one search that a span or a line names at the most.
_MOST_PLANS = 5


class Spans:
    """What makes spans, for one engine."""

    def __init__(self, granularity: str = "none") -> None:
        """:param granularity: one of :data:`~chroma_async.config.settings.GRANULARITIES`. An SDK has to be there by now."""
        wanted = GRANULARITIES.index(granularity)
        has_sdk = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        self._tracer: Tracer | None = trace.get_tracer("chroma_async.engine") if wanted and has_sdk else None
        self._steps = wanted >= 2
        #: Whether steps in threads have spans.
        self.inner = self._tracer is not None and wanted >= 3

    @property
    def on(self) -> bool:
        """Whether any are made."""
        return self._tracer is not None

    def operation(self, observed: Observation, ended_ns: int, attributes: Mapping[str, Any], error: BaseException | None) -> None:
        """The span of an operation, below that of the request that it answers, and below it those of its steps."""
        above = trace.get_current_span()
        if self._tracer is None or (above.get_span_context().is_valid and not above.is_recording()):
            return
        span = self._tracer.start_span(observed.name, attributes=_plain(attributes), start_time=observed.began_ns)
        if self._steps:
            self._of_steps(span, observed.steps)
        if error is not None and (not isinstance(error, ChromaError) or error.code() >= 500):
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        span.end(ended_ns)

    def _of_steps(self, span: Span, steps: Iterable[Step]) -> None:
        below = trace.set_span_in_context(span)
        for step in steps:
            if self._tracer is not None and (self.inner or not step.inner):
                made = self._tracer.start_span(step.name, below, attributes=_plain(step.detail), start_time=step.began_ns)
                made.end(step.ended_ns)

    def background(self, name: str, began_ns: int, ended_ns: int, **attributes: Any) -> None:
        """The span of work that nobody waits for: it begins a trace of its own, whoever's task it runs in."""
        if self._tracer is not None and self._steps:
            self._tracer.start_span(name, TraceContext(), attributes=_plain(attributes), start_time=began_ns).end(ended_ns)


def plans_named(plans: Iterable[object]) -> str:
    """The different plans of a search, the most frequent first, with how often each was followed where that was more than once."""
    counted = Counter(map(repr, plans))
    return ", ".join(f"{count} x {plan}" if count > 1 else plan for plan, count in counted.most_common(_MOST_PLANS))


def _plain(attributes: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Values as spans take them, under names of this package's."""
    return {
        f"chroma.{name}": value if isinstance(value, str | int | float | bool) else plans_named(value) if name == "plan" else str(value)
        for name, value in attributes.items()
    }
