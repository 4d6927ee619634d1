# One image: the dashboard and its engine, as an ordinary user, with the packages of requirements.lock.
# It holds no workspace: what is made lies in the volume /app/data/state, your files in /app/data/landing.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# -- everything that is installed and compiled; only its result goes into the image ------------------------------
FROM ${PYTHON_IMAGE} AS built
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# Packages before code: they change less often. Each is a wheel whose hash is checked, so nothing needs a compiler;
# the environment gets no pip of its own.
COPY requirements.lock ./
RUN python -m venv --without-pip .venv && \
    python -m pip --python .venv/bin/python install --no-cache-dir --quiet --only-binary=:all: --require-hashes \
        -r requirements.lock

# What belongs into the image is listed in .dockerignore. No bytecode is written at run time: it is made here.
COPY . .
RUN .venv/bin/python -m compileall -q etl ui pages app.py && \
    install -d -o 10001 -g 10001 data/state && \
    install -d data/landing/crm data/landing/erp

# -- the image ---------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
WORKDIR /app
# HOME is where libraries look for a user's settings; there are none, and nothing of the image can be written.
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
# A name for the number: commands write down who asked.
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin metalayer
COPY --from=built /app /app

USER 10001:10001
VOLUME ["/app/data/state"]
EXPOSE 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]

# docker run IMAGE status, docker run IMAGE up --sample --host 0.0.0.0: any command of ./metalayer.
ENTRYPOINT ["python", "-P", "-m", "etl"]
CMD ["up", "--host", "0.0.0.0"]
