# A server with all that a server may need: no compiler, no package installer, no shell script in the way of signals.
#   docker build --tag chroma-async .
#   docker run --publish 8000:8000 --volume chroma:/data chroma-async
# docs/deployment/docker.md says more.

FROM python:3.13-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/build \
    && python -m venv --without-pip /opt/chroma-async
# What others made, by hash, in a layer of its own: a change of our source does not touch it.
COPY deploy/image ./deploy/image
RUN /opt/build/bin/pip install --require-hashes --requirement deploy/image/build.lock \
    && /opt/build/bin/pip --python /opt/chroma-async/bin/python install --require-hashes --requirement deploy/image/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY chroma_async ./chroma_async
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/chroma-async/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="chroma-async" \
      org.opencontainers.image.description="An asyncio-native vector store that speaks Chroma's HTTP API v2" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie"
# curl is here for compose files written for Chroma's image, whose health check calls it. Debian keeps one release of it at a time, so that
# naming one would break the build with the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --key GID_MAX=65532 --gid 65532 chroma \
    && useradd --key UID_MAX=65532 --uid 65532 --gid 65532 --home-dir /data --no-create-home --shell /usr/sbin/nologin chroma \
    && install --directory --owner 65532 --group 65532 --mode 0750 /data /chroma /chroma/chroma
COPY --from=build /opt/chroma-async /opt/chroma-async
# These change defaults, and give way to a file, to variables and to flags. "docker stop" kills after ten seconds: requests get eight of them
# to finish. Logs appear as they are written. The last one holds no token, as the linter fears from its name: it has one made.
# hadolint ignore=DL3064
ENV PATH=/opt/chroma-async/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHROMA_ASYNC_DEFAULT_HOST=0.0.0.0 \
    CHROMA_ASYNC_DEFAULT_PATH=/data \
    CHROMA_ASYNC_DEFAULT_GRACE_S=8 \
    CHROMA_ASYNC_DEFAULT_MAKE_INITIAL_TOKEN=true
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["chroma-async", "healthcheck"]
ENTRYPOINT ["chroma-async"]
CMD ["run"]
