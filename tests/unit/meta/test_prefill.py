"""What a tenant may have filled in, and how a fault is named."""

from typing import Any

import pytest

from setuplinks.meta.prefill import PrefillError, validate_prefill

FULL: dict[str, Any] = {
    "business": {
        "name": "Demo Bakery",
        "email": "owner@demo.example",
        "website": "https://demo.example/",
        "address": {
            "streetAddress1": "1 Main St",
            "streetAddress2": "",
            "city": "Córdoba",
            "state": "X",
            "zipPostal": "5000",
            "country": "AR",
        },
        "phone": {"code": 54, "number": "3515550100"},
        "timezone": "UTC-03:00",
    },
    "phone": {"displayName": "Demo Bakery", "category": "RESTAURANT", "description": "Bread\nand cakes"},
}


def test_metas_own_sample_passes_as_it_stands() -> None:
    assert validate_prefill(FULL) == FULL


def test_snake_case_nulls_and_written_numbers_are_put_right() -> None:
    given = {
        "business": {
            "name": None,
            "address": {"street_address_1": "1 Main St", "zip_postal": "5000", "country": "ar"},
            "phone": {"code": "+54", "number": "351 555-0100"},
        },
        "phone": {"display_name": "Demo"},
    }
    assert validate_prefill(given) == {
        "business": {
            "address": {"streetAddress1": "1 Main St", "zipPostal": "5000", "country": "AR"},
            "phone": {"code": 54, "number": "3515550100"},
        },
        "phone": {"displayName": "Demo"},
    }
    assert validate_prefill({}) == {}


FAULTS: list[tuple[object, str]] = [
    ([], "prefill"),
    ("text", "prefill"),
    ({"solutionID": "1"}, "prefill.solutionID"),
    ({"preVerifiedPhone": {"ids": ["1"]}}, "prefill.preVerifiedPhone"),
    ({"whatsAppBusinessAccount": {"id": ["1"]}}, "prefill.whatsAppBusinessAccount"),
    ({"business": {"id": "272"}}, "prefill.business.id"),
    ({"business": "Demo"}, "prefill.business"),
    ({"business": {"name": "x" * 101}}, "prefill.business.name"),
    ({"business": {"name": 7}}, "prefill.business.name"),
    ({"business": {"name": "a\x00b"}}, "prefill.business.name"),
    ({"business": {"name": "a\nb"}}, "prefill.business.name"),
    ({"business": {"email": "nobody"}}, "prefill.business.email"),
    ({"business": {"email": "a@b@c.example"}}, "prefill.business.email"),
    ({"business": {"website": "javascript:alert(1)"}}, "prefill.business.website"),
    ({"business": {"website": "https://user:pass@x.example"}}, "prefill.business.website"),
    ({"business": {"website": "https://[broken"}}, "prefill.business.website"),
    ({"business": {"timezone": "Europe/Paris"}}, "prefill.business.timezone"),
    ({"business": {"phone": {"code": 0}}}, "prefill.business.phone.code"),
    ({"business": {"phone": {"code": True}}}, "prefill.business.phone.code"),
    ({"business": {"phone": {"code": 5400}}}, "prefill.business.phone.code"),
    ({"business": {"phone": {"number": "+54abc"}}}, "prefill.business.phone.number"),
    ({"business": {"phone": {"number": "123"}}}, "prefill.business.phone.number"),
    ({"business": {"address": {"country": "Argentina"}}}, "prefill.business.address.country"),
    ({"business": {"address": {"planet": "Earth"}}}, "prefill.business.address.planet"),
    ({"phone": {"category": "food & drink"}}, "prefill.phone.category"),
    ({"phone": {"description": "x" * 513}}, "prefill.phone.description"),
    ({"phone": {"displayName": "a", "display_name": "b"}}, "prefill.phone.display_name"),
]


@pytest.mark.parametrize(("value", "field"), FAULTS)
def test_a_fault_names_the_path_of_its_field(value: object, field: str) -> None:
    with pytest.raises(PrefillError) as caught:
        validate_prefill(value)
    assert (caught.value.field, str(caught.value).startswith(field + ": ")) == (field, True)
    assert caught.value.message
