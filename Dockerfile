# The service in two images that share one network and one folder of shared memory; compose.yaml and
# deploy/kubernetes/ put them together, docs/operations.md sizes them.
#
#   docker build --target backend -t photorestore-backend .      TorchServe with its workflow, on loopback only
#   docker build --target gateway -t photorestore-gateway .      the REST edge, without torch and Java
#   docker build --target backend --build-arg DEVICE=gpu --build-arg TORCH_INDEX= -t photorestore-backend:gpu .
#
# `make rehearse` runs these steps in a clean directory, without Docker.

# pip and the lock. What it installs goes into /opt/photorestore, an environment without pip.
FROM python:3.11-slim-bookworm AS builder
WORKDIR /build
COPY pyproject.toml README.md requirements.lock ./
RUN python -m venv /opt/builder \
    && /opt/builder/bin/python -m pip install --no-cache-dir --constraint requirements.lock pip hatchling

FROM builder AS gateway-packages
RUN python -m venv --without-pip /opt/photorestore \
    && /opt/builder/bin/python -m pip --python /opt/photorestore/bin/python install --no-cache-dir \
        --constraint requirements.lock --group gateway
COPY src src
RUN /opt/builder/bin/python -m pip --python /opt/photorestore/bin/python install --no-cache-dir --no-deps .

FROM builder AS backend-packages
# Where torch without its libraries for GPUs comes from, which are ten times its size; empty: torch with them.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# One more package of the lock: spandrel, where weights/ holds networks from elsewhere.
ARG ALSO=
RUN python -m venv --without-pip /opt/photorestore \
    && /opt/builder/bin/python -m pip --python /opt/photorestore/bin/python install --no-cache-dir \
        --constraint requirements.lock ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --group backend ${ALSO:+"$ALSO"}
COPY src src
RUN /opt/builder/bin/python -m pip --python /opt/photorestore/bin/python install --no-cache-dir --no-deps .

FROM builder AS archives
ARG DEVICE=cpu
RUN /opt/builder/bin/python -m pip install --no-cache-dir --constraint requirements.lock --group archive
COPY archive.sh workflow.yaml ./
COPY src src
COPY handlers handlers
COPY weights weights
RUN PATH="/opt/builder/bin:$PATH" ./archive.sh "$DEVICE"

# What both images are: no pip, no root, and a first process that hands signals on and buries orphans.
# /spaces holds the pictures in work and must be one tmpfs in both; /run/photorestore TorchServe's logs and unpacked
# archives; /var/lib/photorestore what the edge keeps.
FROM python:3.11-slim-bookworm AS runtime
RUN python -m pip uninstall --yes pip setuptools wheel \
    && install -d -m 700 -o 10001 -g 10001 /spaces /run/photorestore /var/lib/photorestore
ENV PATH=/opt/photorestore/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=photorestore \
    PHOTORESTORE_WORKSPACE=/spaces
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["dumb-init", "--single-child", "--"]

FROM runtime AS backend
COPY --from=backend-packages /opt/photorestore /opt/photorestore
COPY config.properties metrics.yaml ./
COPY backend backend
COPY --from=archives /build/model_store model_store
HEALTHCHECK --start-period=5m --interval=30s --timeout=30s CMD ["python", "-m", "backend", "status"]
CMD ["python", "-m", "backend", "serve", "--run-dir", "/run/photorestore"]

FROM runtime AS gateway
COPY --from=gateway-packages /opt/photorestore /opt/photorestore
COPY weights weights
COPY gateway gateway
COPY --from=archives /build/model_store model_store
ENV PHOTORESTORE_GATEWAY_HOST=0.0.0.0 \
    PHOTORESTORE_GATEWAY_PORT=8000
EXPOSE 8000
HEALTHCHECK --start-period=5m --interval=10s --timeout=10s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
CMD ["python", "-m", "gateway", "serve"]
