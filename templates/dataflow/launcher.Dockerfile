# The image that starts a job of the Flex Template: it makes the graph and submits it.
# Build it in the root of the checkout:
#
#   docker build -f templates/dataflow/launcher.Dockerfile -t REPOSITORY/launcher .
#
# Graphs and ops of your own go into an image made FROM this one, in /template: jobs
# name them as --graph=my_graphs.py:faces.
FROM gcr.io/dataflow-templates-base/python311-template-launcher-base:latest AS launcher

FROM python:3.11-slim-bookworm

COPY pyproject.toml setup.py README.md LICENSE constraints.txt /src/
COPY beam_scanner /src/beam_scanner
RUN pip install --no-cache-dir -c /src/constraints.txt '/src[gcp,opencv]' \
    && rm -rf /src \
    && pip check

WORKDIR /template
COPY pipeline.py ./
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/pipeline.py

COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
ENTRYPOINT ["/opt/google/dataflow/python_template_launcher"]
