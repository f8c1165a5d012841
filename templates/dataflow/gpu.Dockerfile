# Workers that decode on their GPUs, on top of the image of worker.Dockerfile. Build it in
# the root of the checkout:
#
#   docker build -f templates/dataflow/gpu.Dockerfile \
#       --build-arg WORKER=REPOSITORY/worker -t REPOSITORY/gpu .
#
# It was not built yet.
ARG WORKER=REPOSITORY/worker

FROM ${WORKER}

COPY constraints.txt /src/
RUN pip install --no-cache-dir -c /src/constraints.txt cupy-cuda12x \
    && rm -rf /src \
    && pip check

# Containers are given the driver's decoder only if they ask for it.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
