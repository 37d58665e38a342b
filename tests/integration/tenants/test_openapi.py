"""The OpenAPI document says what the routes do."""

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.integration.tenants.json_api import JsonApi


async def document(api: JsonApi) -> dict[str, Any]:
    """The served document."""
    answer = await api.client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def schema(doc: dict[str, Any], name: str) -> dict[str, Any]:
    """A component as a schema of its own."""
    return {"$ref": f"#/components/schemas/{name}", "components": doc["components"]}


async def test_the_document_is_valid_openapi_3_1(api: JsonApi) -> None:
    doc = await document(api)
    OpenAPIV31SpecValidator(doc).validate()
    assert doc["openapi"].startswith("3.1")


async def test_every_route_declares_its_path_parameters_keys_and_errors(api: JsonApi) -> None:
    doc = await document(api)
    operations = [(path, method, one) for path, methods in doc["paths"].items() for method, one in methods.items()]
    assert len(operations) == 15
    for path, method, one in operations:
        assert one["security"] == [{"bearer": []}, {"apiKey": []}]
        assert {f"{{{p['name']}}}" for p in one.get("parameters", []) if p["in"] == "path"} == {
            part for part in path.split("/") if part.startswith("{")
        }
        assert {"401", "429"} <= one["responses"].keys(), path
        assert one["description"]
        assert "HTTPValidationError" not in str(one)
        errors = [answer for code, answer in one["responses"].items() if code >= "400"]
        assert all("application/problem+json" in answer["content"] for answer in errors)
        header = any(p["name"] == "Idempotency-Key" for p in one.get("parameters", []))
        assert header is (method == "post")
    assert len({one["operationId"] for _, _, one in operations}) == len(operations)


@pytest.mark.parametrize(
    ("body", "valid"),
    [
        ({"name": "Clínica San Lucas", "external_id": "clinic_001"}, True),
        ({"name": "Clínica San Lucas", "externalId": "clinic_001"}, True),
        ({"name": "a", "externalId": "a", "external_id": "a"}, False),
        ({"external_id": "a"}, False),
        ({"name": "a", "plan": "pro"}, False),
        ({"name": "a", "metadata": {"any": ["thing"]}}, True),
        ({"name": 1}, False),
    ],
)
async def test_the_schema_of_a_body_takes_what_the_route_takes(api: JsonApi, body: dict[str, Any], valid: bool) -> None:
    checker = jsonschema.Draft202012Validator(schema(await document(api), "NewCustomer"))
    path = f"/admin/tenants/{(await api.tenant())['id']}/customers"
    answer = await api.call("POST", path, body)
    assert checker.is_valid(body) is valid
    assert (answer.status_code == 201) is valid


async def test_answers_fit_their_schemas(api: JsonApi) -> None:
    doc = await document(api)
    tenant = await api.tenant(language="es")
    key = await api.key_of(tenant["id"])
    one = f"/admin/tenants/{tenant['id']}"
    customer = (await api.call("POST", f"{one}/customers", {"name": "c", "external_id": "e"})).json()
    answers = {
        "TenantView": tenant,
        "CreatedApiKeyView": key,
        "CustomerView": customer,
        "MeView": (await api.call("GET", "/admin/me")).json(),
        "RedirectKeyView": (await api.call("GET", f"{one}/redirect-key")).json(),
        "ApiKeyView": (await api.call("GET", f"{one}/api-keys")).json()["data"][0],
        "Problem": (await api.call("POST", f"{one}/customers", {"name": "d", "external_id": "e"})).json(),
    }
    for name, value in answers.items():
        jsonschema.Draft202012Validator(schema(doc, name)).validate(value)
        assert set(value) >= set(doc["components"]["schemas"][name]["required"]), name
