# A Debian with PostgreSQL that answers to the official image's name, for machines that reach no image registry.
ARG BASE
FROM ${BASE}
ARG MAJOR=17
ENV PATH=/usr/lib/postgresql/${MAJOR}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/data
COPY --chmod=755 postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data && \
    install -d -o postgres -g postgres -m 775 /var/run/postgresql
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
