"""What a service accepts, how much of it, and how it shares its work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagist.errors import SettingError
from imagist.images import DecodeLimits

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Settings of a service.

    Attributes:
        max_body: Largest body of a request, in bytes.
        max_images: Most images in a request.
        max_image_bytes: Largest encoded image, in bytes.
        max_megapixels: Largest image, in millions of pixels.
        max_queue: Most images that wait or are worked on at a time; a request beyond them is refused with 503.
        max_buffered: Most bytes of bodies that are held at a time; a request beyond them is refused with 503.
        batch_size: Most images that the model takes at a time; 1 turns batching off.
        batch_wait_s: Longest time that a batch waits for images which are being decoded, in seconds.
        timeout_s: Longest time for a request after its body has been read, in seconds; images that it did not suffice
            for become errors.
        body_timeout_s: Longest time for the body of a request to arrive, in seconds.
        decoders: Processes that decode images, 1 or more; 0 decodes in threads of this process.
        decode_timeout_s: Longest time for decoding an image, in seconds; its process is then replaced.
        urls: Whether images may be given by http(s) addresses. Only public addresses are fetched.
        url_timeout_s: Longest time for fetching an image, in seconds.
        keys: A file of API keys (`imagist.serving.keys`); None asks for no key.
        images_a_minute: Most images of a key, or of an address where no key is asked for; None sets no limit.
        hosts: Names by which the service may be called; ``*`` allows any. They keep pages of other sites from calling
            a local service by a name of their own (DNS rebinding).
        origins: Sites whose pages may call the service (CORS), such as ``https://example.org``.
        page: Whether the page is served at ``/``.
        sagemaker: Whether the routes of Amazon SageMaker's container contract are served.
        max_compat: Whether the Swagger document, title and metadata are those of IBM's MAX Image Caption Generator.

    Raises:
        SettingError: A setting is out of its range.
    """

    max_body: int = 64 * MIB
    max_images: int = 64
    max_image_bytes: int = 16 * MIB
    max_megapixels: float = 50.0
    max_queue: int = 512
    max_buffered: int = 512 * MIB
    batch_size: int = 32
    batch_wait_s: float = 0.02
    timeout_s: float = 60.0
    body_timeout_s: float = 30.0
    decoders: int = 2
    decode_timeout_s: float = 10.0
    urls: bool = False
    url_timeout_s: float = 10.0
    keys: Path | None = None
    images_a_minute: float | None = None
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    origins: tuple[str, ...] = ()
    page: bool = True
    sagemaker: bool = False
    max_compat: bool = False

    def __post_init__(self) -> None:
        for name in ("max_body", "max_images", "max_image_bytes", "max_queue", "max_buffered", "batch_size"):
            if getattr(self, name) < 1:
                raise SettingError(f"must be at least 1, not {getattr(self, name)}", item=name)
        for name in ("max_megapixels", "timeout_s", "body_timeout_s", "decode_timeout_s", "url_timeout_s"):
            if not getattr(self, name) > 0:
                raise SettingError(f"must be over 0, not {getattr(self, name)}", item=name)
        if self.decoders < 0 or self.batch_wait_s < 0:
            raise SettingError("must not be negative", item="decoders" if self.decoders < 0 else "batch_wait_s")
        if self.images_a_minute is not None and not self.images_a_minute > 0:
            raise SettingError(f"must be over 0, not {self.images_a_minute}", item="images_a_minute")
        if self.max_images > self.max_queue:
            raise SettingError(f"must be at most max_queue, {self.max_queue}", item="max_images")

    @property
    def limits(self) -> DecodeLimits:
        """The bounds of one image."""
        return DecodeLimits(max_bytes=self.max_image_bytes, max_megapixels=self.max_megapixels)
