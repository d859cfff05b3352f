FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# What the command runs on, exactly as locked, in an environment without pip.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r requirements.lock

# uv, of the development lock, builds the wheel with a build backend of the development lock.
COPY requirements-dev.lock ./
RUN awk '/^[a-z]/ { keep = /^uv==/ } keep' requirements-dev.lock > uv.lock \
    && pip install --no-cache-dir --require-hashes -r uv.lock

COPY pyproject.toml README.md LICENSE ./
COPY input_templates input_templates
COPY batch_issuer batch_issuer
RUN uv build --no-cache --wheel --build-constraints requirements-dev.lock --require-hashes --out-dir /dist . \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /dist/*.whl


FROM python:3.11-slim

RUN groupadd --gid 1000 issuer \
    && useradd --uid 1000 --gid issuer --no-create-home --home-dir /work --shell /usr/sbin/nologin issuer \
    && install --directory --owner issuer --group issuer /work /work/input /work/output
COPY --from=build /opt/venv /opt/venv

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /work
USER 1000:1000
VOLUME ["/work/input", "/work/output"]

# No health check: the command does one job and ends. What serves has one in docker-compose.yml.
ENTRYPOINT ["batch-issuer"]
CMD ["--help"]
