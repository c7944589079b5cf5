# One recipe for the five services and the gateway:
#   docker build --build-arg PACKAGE=cme-enrolment --build-arg MODULE=enrolment -t cme-enrolment .
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
RUN pip install --no-cache-dir "uv==0.13.*"
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=/opt/cme
WORKDIR /src
COPY . .
ARG PACKAGE
# Exactly what the lock says for this one package: no tools, no engines, no code of another service.
RUN test -n "${PACKAGE}" && uv sync --frozen --no-dev --no-default-groups --no-editable --package "${PACKAGE}"

FROM python:${PYTHON}
RUN useradd --system --uid 10001 --no-create-home cme
COPY --from=build /opt/cme /opt/cme
ARG MODULE
ENV PATH=/opt/cme/bin:${PATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MODULE=${MODULE} CME_HOST=0.0.0.0 CME_PORT=8080
USER 10001
EXPOSE 8080
CMD ["sh", "-c", "exec python -m ${MODULE}"]
