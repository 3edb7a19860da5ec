# Measures in a container: docker run --rm -v "$PWD:/work" invariscope measure MODEL --data photos
# For GPUs add `--gpus all`: PyPI's torch brings CUDA's libraries itself.

FROM python:3.13-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
COPY --from=build /wheels /wheels
# The extra `demo` is what `invariscope measure` without arguments takes.
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[demo]" \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 invariscope \
    && mkdir /work && chown invariscope /work
USER invariscope
# Run folders are written into the working folder; the caller's may belong to another user: `--user`.
WORKDIR /work
ENTRYPOINT ["invariscope"]
CMD ["--help"]
