"""How soon the page shows a result: from a chosen image to the painted caption, against the API's latency for it.

    python benchmarks/page.py --data FOLDER          # into benchmarks/results/page.md

A service on loopback, Chromium driven by Playwright, all on the same cores. For each image in turn: the API is asked
alone by a plain client, then the page by its own. Also how long the page takes to open, and what it transfers.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from playwright.sync_api import Page, sync_playwright

from service import Service

RESULT = Path(__file__).parent / "results" / "page.md"
_QUIET_MS = 300  # before an image is chosen, so that neither browser nor driver still works on what was before
_SHOW = """\
async ([content, quiet]) => {
  const data = new DataTransfer();
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  data.items.add(new File([bytes], "a.jpg", { type: "image/jpeg" }));
  document.querySelector("#clear").click();
  await new Promise((done) => setTimeout(done, quiet));
  const shown = new Promise((done) => new MutationObserver((_, observer) => {
    if (!document.querySelector("article .caption")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now())));
  }).observe(document.querySelector("#cards"), { childList: true, subtree: true }));
  const files = document.querySelector("#files");
  files.files = data.files;
  const began = performance.now();
  files.dispatchEvent(new Event("change"));
  return (await shown) - began;
}"""


def of_api(port: int, image: bytes) -> float:
    """Milliseconds of one request for an image."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    began = time.perf_counter()
    connection.request("POST", "/v1/classify?attention=true", image, {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    answer.read()
    seconds = time.perf_counter() - began
    assert answer.status == 200
    connection.close()
    return 1000 * seconds


def of_page(page: Page, image: bytes) -> float:
    """Milliseconds from a chosen image to its caption on the screen."""
    return float(page.evaluate(_SHOW, [base64.b64encode(image).decode(), _QUIET_MS]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--no-file", action="store_true", help="print the result, write no file")
    args = parser.parse_args()
    table = pq.read_table(args.data / "flickr8k" / "dev.parquet", columns=["image"])
    images = [row["bytes"] for row in table["image"].slice(0, args.images + 5).to_pylist()]
    service = Service(page=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page, sizes = browser.new_page(), []
        page.on("requestfinished", lambda request: sizes.append(request.sizes()))
        began = time.perf_counter()
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="networkidle")
        opened = 1000 * (time.perf_counter() - began) - 500  # of silence, by which Playwright knows
        count, total = len(sizes), sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
        for image in images[:5]:
            of_api(service.port, image), of_page(page, image)
        pairs = np.array([(of_api(service.port, image), of_page(page, image)) for image in images[5:]])
        browser.close()
    service.close()
    api, shown = np.median(pairs, 0)
    ratio = np.median(pairs[:, 1] / pairs[:, 0])
    busy, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    lines = [
        "# The page's first result",
        "",
        f"`python benchmarks/page.py`, images of Flickr8k dev, headless Chromium and the service on {cores} cores, one "
        f"image at a time; load of the machine at the end: {busy:.1f}.",
        "",
        "| | |",
        "|---|---|",
        f"| `/v1/classify?attention=true` of a plain client, median of {len(pairs)} images | {api:.0f} ms |",
        f"| from the chosen image to its caption on the screen | {shown:.0f} ms |",
        f"| page to API, median of the ratios | {ratio:.2f} |",
        f"| opening the page, until its last file is there | {opened:.0f} ms |",
        f"| what that transfers | {total:,} bytes in {count} requests |",
        "",
    ]
    print("\n".join(lines))
    if not args.no_file:
        RESULT.write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
