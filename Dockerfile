# syntax=docker/dockerfile:1
# The model over HTTP: docker build -t evoca . && docker run --read-only -p 8000:8000 evoca
# The base install and the extra serve, in the versions of uv.lock; no PyTorch. See docs/deploy.md.

FROM python:3.13-slim-trixie AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/evoca \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
# What changes seldom comes first, so that it is taken from the cache.
COPY pyproject.toml uv.lock hatch_build.py README.md LICENSE ./
RUN uv sync --frozen --no-install-project --extra serve
COPY src src
RUN uv sync --locked --no-editable --extra serve

FROM python:3.13-slim-trixie
COPY --from=build /opt/evoca /opt/evoca
# Nothing is written: neither bytecode nor caches. Few arenas keep the memory of many threads small.
ENV PATH=/opt/evoca/bin:$PATH \
    HOME=/nonexistent \
    MALLOC_ARENA_MAX=2 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["evoca"]
CMD ["serve", "--host", "0.0.0.0"]
