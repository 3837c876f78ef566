# The server alone: no compiler, no package index and no shell script in the way of signals.
#   docker build --tag chroma-async .
#   docker run --publish 8000:8000 --volume chroma:/data chroma-async

FROM python:3.13-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY chroma_async ./chroma_async
RUN python -m venv /opt/chroma-async \
    && /opt/chroma-async/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.13-slim-bookworm
RUN groupadd --system --gid 65532 chroma \
    && useradd --system --uid 65532 --gid 65532 --home-dir /data --no-create-home --shell /usr/sbin/nologin chroma \
    && install --directory --owner 65532 --group 65532 --mode 0750 /data
COPY --from=build /opt/chroma-async /opt/chroma-async
# "docker stop" kills after ten seconds: requests get eight of them to finish. Logs appear as they are written.
ENV PATH=/opt/chroma-async/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHROMA_ASYNC_GRACE_S=8
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["chroma-async", "healthcheck"]
ENTRYPOINT ["chroma-async", "run", "--host", "0.0.0.0", "--path", "/data"]
