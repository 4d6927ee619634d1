# A Debian with Python that answers to the official image's name, for machines that reach no image registry.
ARG BASE
FROM ${BASE}
# Certificates of the machine that builds: packages may come through a mirror that only it trusts.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN ln -sf /usr/bin/python3 /usr/local/bin/python
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
CMD ["python3"]
