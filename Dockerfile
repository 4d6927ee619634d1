# One image: the dashboard and its engine, as an ordinary user, with the packages of requirements.lock.
# It holds no workspace: what is made lies in the volume /app/data/state, your files in /app/data/landing.
FROM python:3.11-slim-bookworm

WORKDIR /app
# No bytecode is written at run time (the code belongs to root): it is compiled below.
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# Packages before code: they change less often. Each file is checked against its hash.
COPY requirements.lock ./
RUN python -m venv .venv && \
    .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes -r requirements.lock

# What belongs into the image is listed in .dockerignore.
COPY . .
RUN .venv/bin/python -m compileall -q etl ui pages app.py && \
    useradd --uid 10001 --create-home metalayer && \
    install -d -o metalayer -g metalayer data/state data/landing/crm data/landing/erp

USER metalayer
VOLUME ["/app/data/state"]
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]

# docker run IMAGE status, docker run IMAGE up --sample --host 0.0.0.0: any command of ./metalayer.
ENTRYPOINT ["python", "-P", "-m", "etl"]
CMD ["up", "--host", "0.0.0.0"]
