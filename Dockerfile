# The harness with CUDA, pinned: `docker build --tag alignment-harness .`, see docs/cluster.md.
# The image has the compiler of CUDA, for DeepSpeed builds its optimizer where it first runs.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM nvidia/cuda:13.0.2-devel-ubuntu24.04
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential ca-certificates git openssh-client \
    && rm -rf /var/lib/apt/lists/*
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_PYTHON_INSTALL_DIR=/opt/python \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1

COPY pyproject.toml README.md LICENSE constraints.txt /sources/
COPY container/install.sh /sources/container/
COPY harness /sources/harness
COPY methods /sources/methods
COPY benchmarks /sources/benchmarks
RUN bash /sources/container/install.sh /sources /opt/harness gpu \
    && rm -rf /sources /root/.cache

# Weights, pairs and what is computed from them outlive the container in the volume /cache. It is the
# home as well, for whichever user `docker run --user` names.
RUN useradd --create-home --uid 10001 harness \
    && install --directory --owner harness /work /cache
USER harness
WORKDIR /work
ENV PATH=/opt/harness/bin:$PATH \
    HOME=/cache \
    USER=harness \
    HARNESS_CACHE=/cache/harness \
    HF_HOME=/cache/huggingface
ENTRYPOINT ["python", "-m", "harness"]
CMD ["--help"]
