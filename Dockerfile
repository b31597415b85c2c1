# The service as an image: docker build -t imagist . && docker run --read-only --tmpfs /tmp -p 8000:8000 imagist
# The page and the API answer to localhost; name others with --host-name, and ask for keys with --keys.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY configs configs
RUN python -m venv /venv \
 && PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt /venv/bin/pip install --no-cache-dir '.[serve,lite]'

FROM python:3.12-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
RUN useradd --system --no-create-home --uid 10001 imagist
USER 10001
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
ENTRYPOINT ["imagist", "serve", "--host", "0.0.0.0"]
