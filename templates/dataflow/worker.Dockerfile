# Workers of Dataflow and of Flink's worker pools: this package, PyAV, Beam and its boot
# program. Build it in the root of the checkout:
#
#   docker build -f templates/dataflow/worker.Dockerfile -t REPOSITORY/worker .
#
# For workers without GPUs: --build-arg BASE=ubuntu:22.04
ARG BASE=nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04

FROM apache/beam_python3.11_sdk:2.77.0 AS beam

FROM ${BASE}

# Python's version must be that of whoever submits the job. Ubuntu's own is another.
RUN apt-get update \
    && apt-get install -y --no-install-recommends software-properties-common \
    && add-apt-repository -y ppa:deadsnakes/ppa \
    && apt-get install -y --no-install-recommends \
        ca-certificates python3.11 python3.11-venv \
    && apt-get purge -y --auto-remove software-properties-common \
    && rm -rf /var/lib/apt/lists/*

RUN python3.11 -m venv /opt/venv
ENV PATH=/opt/venv/bin:${PATH}
# Else the boot program makes an environment of its own, in which these packages are not.
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1

COPY pyproject.toml setup.py README.md LICENSE constraints.txt /src/
COPY beam_scanner /src/beam_scanner
# With a compiler histograms and differences of frames are built in C, several times as
# fast: an image in which that failed is not wanted.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && pip install --no-cache-dir -c /src/constraints.txt '/src[gcp,opencv]' \
    && rm -rf /src \
    && pip check \
    && python -c 'from beam_scanner.ops._native import LIBRARY; LIBRARY.stat()' \
    && apt-get purge -y --auto-remove gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

# Each task has a thread that reads; by default glibc gives every new thread a heap of
# its own, and memory grows with the number of tasks.
ENV MALLOC_ARENA_MAX=2

COPY --from=beam /opt/apache/beam /opt/apache/beam
ENTRYPOINT ["/opt/apache/beam/boot"]
