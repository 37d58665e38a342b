"""What files WhatsApp takes: types, and how large each may be (contract 3.8).

https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
"""

MB = 1024 * 1024
OFFICE = "application/vnd.openxmlformats-officedocument"
AUDIO = ("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg", "audio/opus")
DOCUMENTS = (
    "application/vnd.ms-powerpoint", "application/msword", f"{OFFICE}.wordprocessingml.document",
    f"{OFFICE}.presentationml.presentation", f"{OFFICE}.spreadsheetml.sheet", "application/pdf", "text/plain",
    "application/vnd.ms-excel",
)  # fmt: skip
IMAGES, STICKERS, VIDEOS = ("image/jpeg", "image/png"), ("image/webp",), ("video/mp4", "video/3gpp")
TAKEN = (*AUDIO, *DOCUMENTS, *IMAGES, *STICKERS, *VIDEOS)
LARGEST = {"audio": 16 * MB, "document": 100 * MB, "image": 5 * MB, "sticker": 500 * 1024, "video": 16 * MB}
EVERY = {"audio": AUDIO, "document": DOCUMENTS, "image": IMAGES, "sticker": STICKERS, "video": VIDEOS}


def bare(mime_type: str) -> str:
    """Without parameters: `audio/ogg` of `audio/ogg; codecs=opus`."""
    return mime_type.partition(";")[0].strip().lower()


def kind_of(mime_type: str) -> str | None:
    """`image`, `document` …, or None where it is not taken."""
    return next((kind for kind, types in EVERY.items() if bare(mime_type) in types), None)
