# One image for every service of docker-compose.yml; it holds code only, data comes in as volumes.
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/var/cache/perplake HOME=/tmp
WORKDIR /app

COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY . .
# The kernels are compiled here once; any user of the container may add to the cache.
RUN mkdir -p /var/cache/perplake \
    && python -m p2_features warm \
    && chmod -R a+rwX /var/cache/perplake data data-sim exports reports meta/duckdb

USER 1000:1000
ENTRYPOINT ["python", "-m"]
CMD ["lake", "status"]
