"""The child process that opens a picture from outside: ``python -m appliance.core.thumbnail_maker FILE EDGE``.

Writes a WebP that fits into EDGE × EDGE pixels to standard output. A picture of a few kilobytes can ask for gigabytes,
so the child limits its own memory and time.
"""

from __future__ import annotations

import io
import resource
import sys

MEMORY = 1 << 30
CPU_SECONDS = 15
MAX_PIXELS = 120_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF")


def main(path: str, edge: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise SystemExit(f"{image.width} × {image.height} pixels are too many")
        image.draft("RGB", (edge * 2, edge * 2))
        upright = ImageOps.exif_transpose(image)
    see_through = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
    small = upright.convert("RGBA" if see_through else "RGB")
    small.thumbnail((edge, edge))
    # Nothing but pixels goes on: no place, no camera, no comments.
    small.info.clear()
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=4)
    sys.stdout.buffer.write(out.getvalue())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
