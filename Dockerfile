# Soutu with everything that the cluster's parts need: slim, without root, on a root that may be read-only.
#
#   docker build -t soutu .
#   docker run --read-only --tmpfs /tmp -v soutu:/var/lib/soutu -p 127.0.0.1:50051:50051 \
#     -e SOUTU_SERVER_HOST=0.0.0.0 -e SOUTU_SERVER_INSECURE_PUBLIC=true soutu
#
# tests/project/test_dockerfile.py runs these steps without containers. It gives PREFIX another value, so steps
# name no other absolute path.

FROM python:3.11.14-slim-bookworm AS build
ARG PREFIX=/opt/soutu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv "$PREFIX"
COPY requirements/cluster.txt requirements/
RUN "$PREFIX/bin/pip" install --quiet --require-hashes --only-binary :all: -r requirements/cluster.txt
COPY pyproject.toml README.md LICENSE ./
COPY service service
RUN "$PREFIX/bin/pip" install --quiet --no-deps . && "$PREFIX/bin/pip" uninstall --quiet --yes pip
RUN mkdir empty

FROM python:3.11.14-slim-bookworm
ARG PREFIX=/opt/soutu
COPY --from=build $PREFIX $PREFIX
COPY scripts/triton_repository.py scripts/triton_model.py $PREFIX/scripts/
# A new volume takes its owner from here. The user is a number: it needs no name, and nothing else is its own.
COPY --from=build --chown=10001:10001 /src/empty /var/lib/soutu
ENV PATH=$PREFIX/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/soutu \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SOUTU_DATA_DIR=/var/lib/soutu
WORKDIR /var/lib/soutu
USER 10001:10001
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s --retries=3 CMD ["soutu", "health"]
ENTRYPOINT ["soutu"]
CMD ["serve"]
