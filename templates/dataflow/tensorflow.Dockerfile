# Workers with TensorFlow and the CUDA that it wants, on top of the image of
# worker.Dockerfile. Build it in the root of the checkout:
#
#   docker build -f templates/dataflow/tensorflow.Dockerfile \
#       --build-arg WORKER=REPOSITORY/worker -t REPOSITORY/tensorflow .
#
# It is checked by a linter, and was not built yet.
ARG WORKER=REPOSITORY/worker

FROM ${WORKER}

COPY constraints.txt /src/
# CUDA comes with TensorFlow, whatever the base has.
RUN pip install --no-cache-dir -c /src/constraints.txt 'tensorflow[and-cuda]' keras \
    && rm -rf /src \
    && pip check

# Where a model does not set it: else the first process takes all memory of a GPU.
ENV TF_FORCE_GPU_ALLOW_GROWTH=true
ENV TF_CPP_MIN_LOG_LEVEL=1
