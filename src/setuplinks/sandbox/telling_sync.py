"""What Meta tells of a number of the WhatsApp Business app: contacts, the chats of before, echoes (contract 4.6)."""

from typing import Any

from setuplinks.sandbox.conversations import Message, Person
from setuplinks.sandbox.telling import message_id
from setuplinks.sandbox.world import Number, World, digits_of

Value = dict[str, Any]

PEOPLE = (("Ana Torres", "5493515550101"), ("Luis Pérez", "5493515550102"), ("Marta Gil", "5493515550103"))
CHUNKS_OF_PHASE = 2
PHASES = (0, 1, 2)  # the last day, the last 90 days, the last 180
DAYS = {0: 0, 1: 30, 2: 120}
DECLINED = "History sharing is turned off by the business"


def tell_sync(world: World, number: Number, kind: str) -> None:
    """What follows a call of `smb_app_data`."""
    if kind == "smb_app_state_sync":
        _contacts(world, number)
    elif number.history == "declined":
        error = {"code": 2593109, "title": "History sharing is turned off", "message": DECLINED}
        error_data = {"details": DECLINED}
        world.tell_of_number(number, "history", {"history": [{"errors": [error | {"error_data": error_data}]}]})
    else:
        tell_history(world, number)


def _contacts(world: World, number: Number) -> None:
    for name, phone in PEOPLE:
        contact = {"full_name": name, "first_name": name.split()[0], "phone_number": phone}
        told = {"type": "contact", "contact": contact, "action": "add", "metadata": {"timestamp": _at(world, 0)}}
        world.tell_of_number(number, "smb_app_state_sync", {"state_sync": [told]})


def tell_history(world: World, number: Number) -> int:
    """Six chunks, each a webhook, then the media that one of the chats holds. How many chunks."""
    places = [(phase, order) for phase in PHASES for order in range(1, CHUNKS_OF_PHASE + 1)]
    chunks: list[Value] = []
    for position, (phase, order) in enumerate(places, 1):
        progress = 100 * position // len(places)
        chunk = {"phase": phase, "chunk_order": order, "progress": progress}
        chunks.append({"metadata": chunk, "threads": [_thread(world, number, phase, position)]})
    if number.history == "reversed":
        chunks.reverse()
    for chunk in chunks:
        world.tell_of_number(number, "history", {"history": [chunk]})
    media: Value = {"from": PEOPLE[0][1], "id": message_id(), "timestamp": _at(world, DAYS[2]), "type": "image"}
    media["image"] = {"mime_type": "image/jpeg", "sha256": "0" * 64, "id": world.next_id("14")}
    world.tell_of_number(number, "history", {"messages": [media]})
    return len(chunks)


def _thread(world: World, number: Number, phase: int, position: int) -> Value:
    person, own = PEOPLE[position % len(PEOPLE)][1], digits_of(number.display)
    asked: Value = {"from": person, "id": message_id(), "timestamp": _at(world, DAYS[phase]), "type": "text"}
    asked |= {"text": {"body": "¿Están abiertos hoy?"}, "history_context": {"status": "READ"}}
    said: Value = {"from": own, "to": person, "id": message_id(), "timestamp": _at(world, DAYS[phase]), "type": "text"}
    said |= {"text": {"body": "Sí, hasta las seis."}, "history_context": {"status": "DELIVERED"}}
    return {"id": person, "messages": [asked, said]}


def tell_echo(world: World, number: Number, to: str, text: str) -> str:
    """The business itself writes, in its phone's app. The wamid."""
    wamid, person = message_id(), Person(to)
    held = world.conversations.find(number.id, to)
    world.conversations.add(
        Message(wamid, number.id, held.person if held else person, "app", "text", {"text": {"body": text}},
                world.clock.now(), status="delivered")
    )  # fmt: skip
    echo: Value = {"from": digits_of(number.display), "to": to, "id": wamid, "timestamp": _at(world, 0), "type": "text"}
    echo["text"] = {"body": text}
    world.tell_of_number(number, "smb_message_echoes", {"message_echoes": [echo]})
    return wamid


def _at(world: World, days_ago: int) -> str:
    return str(int(world.clock.now() - days_ago * 86_400))
