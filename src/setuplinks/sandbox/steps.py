"""The screens of the dialog, in order, and Meta's name for each (`current_step`, contract 1.3)."""

STEPS: dict[str, str] = {
    "business": "BUSINESS_ACCOUNT_SELECTION",
    "number": "WABA_PHONE_PROFILE_PICKER",
    "profile": "WHATSAPP_BUSINESS_PROFILE_SETUP",
    "phone": "PHONE_NUMBER_SETUP",
    "verify": "PHONE_NUMBER_VERIFICATION",
    "permissions": "PERMISSIONS",
    "finish": "PERMISSIONS",
}

FRESH = ("business", "number", "profile", "phone", "verify", "permissions", "finish")
FREE_555 = ("business", "number", "profile", "permissions", "finish")  # Meta's own numbers need no code
PREVERIFIED = FREE_555  # the partner's own numbers were confirmed by the partner
PREVERIFIED_LATE = ("business", "number", "profile", "verify", "permissions", "finish")  # after its 90 days
EXISTING = ("business", "number", "permissions", "finish")
COEXISTENCE = ("business", "phone", "verify", "permissions", "finish")  # the app's number, then its QR code
