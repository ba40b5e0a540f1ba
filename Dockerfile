# One image for every service of docker-compose.yml; it holds code only, data comes in as volumes.
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/var/cache/perplake HOME=/tmp
WORKDIR /app

# `docker compose build --build-arg EXTRAS=ccxt` adds what only some sources need.
ARG EXTRAS=
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -r requirements.txt $EXTRAS

COPY . .
# A checkout made under umask 077 has to be readable by any user. Compiled kernels are known by their source's time,
# and an image that travels keeps whole seconds of it.
RUN mkdir -p data data-sim exports reports meta/duckdb secrets \
    && chmod -R a+rX . && chmod a+rwx data data-sim exports reports meta/duckdb \
    && find . -name '*.py' -exec touch -d 2025-01-01 {} + \
    && python -m compileall -q .

# The kernels are compiled here once, by the phases themselves on made-up bars of fixed days; any user may add to them.
RUN set -e; mkdir -p "$NUMBA_CACHE_DIR"; export PERPLAKE_LAKE=/tmp/warm DAYS=34; \
    python -m p1_ingest ingest --source sim --start 2025-01-01 --end 2025-02-03 --no-verbose; \
    python -m p2_features build; \
    python -m p2_features bench --report /tmp/warm/bench.csv; \
    python -m p3_labels triple-barrier; \
    python -m p3_labels weights; \
    rm -r /tmp/warm; chmod -R a+rwX "$NUMBA_CACHE_DIR"

USER 1000:1000
ENTRYPOINT ["python", "-m"]
CMD ["lake", "status"]
