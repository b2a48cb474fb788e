ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
WORKDIR /src

# Dependencies come first, so that changed code does not install them again.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/build && python -m venv --without-pip /opt/venv
RUN /opt/build/bin/pip install --require-hashes -r requirements/build.txt
RUN /opt/build/bin/pip --python /opt/venv/bin/python install --no-compile --require-hashes -r requirements/runtime.txt
RUN find /opt/venv -name "*.so" -exec strip --strip-unneeded {} +

COPY LICENSE README.md pyproject.toml schema.sql ./
COPY commentsvc commentsvc
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist .
RUN /opt/build/bin/pip --python /opt/venv/bin/python install --no-compile --no-index --no-deps /dist/*.whl
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/venv


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="commentsvc" \
      org.opencontainers.image.description="A comment service for blogs that keeps emails private and loses nothing" \
      org.opencontainers.image.licenses="MIT"
# A new volume takes the owner of the folder that it covers. /erasures and /passwords: see docker-compose.postgres.yml.
RUN install -d --mode=0700 --owner=10001 --group=10001 /data /erasures /passwords
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    COMMENTSVC_HOST=0.0.0.0 \
    COMMENTSVC_DATABASE_URL=sqlite:////data/commentsvc.db

# Only /data is writable, so the root file system can be read-only.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-m", "commentsvc", "healthcheck"]
ENTRYPOINT ["commentsvc"]
CMD ["serve"]
