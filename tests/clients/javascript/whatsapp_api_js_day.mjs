// What a user of whatsapp-api-js does in a day; says what came of it.
import { readFileSync } from "node:fs";
import { Image, Language, Template, Text } from "whatsapp-api-js/messages";
import { client } from "./whatsapp_api_js_client.mjs";

const { base, token, number, foreign, to, inbound, file } = JSON.parse(process.argv[2]);
const whatsapp = client(base, token, "not needed for sending");
const idOf = (answer) => answer.messages[0].id;

const text = idOf(await whatsapp.sendMessage(number, to, new Text("Hola, ¿qué tal? ☎")));
const template = idOf(await whatsapp.sendMessage(number, to, new Template("hello_world", new Language("en_US"))));
const form = new FormData();
form.set("file", new Blob([readFileSync(file)], { type: "image/png" }), "cat.png");
const media = (await whatsapp.uploadMedia(number, form)).id;
const { url } = await whatsapp.retrieveMedia(media);
const back = await (await whatsapp.fetchMedia(url)).arrayBuffer();
const image = idOf(await whatsapp.sendMessage(number, to, new Image(media, true)));
const read = await whatsapp.markAsRead(number, inbound);
const blocked = (await whatsapp.blockUser(number, to)).block_users.added_users.length; // a path without a version
const hello = async (phone, by = whatsapp) => (await by.sendMessage(phone, to, new Text("Hola"))).error;
console.log(
  JSON.stringify({
    text, template, media, downloaded: Buffer.from(back).toString("base64"), image, read: read.success, blocked,
    badKey: await hello(number, client(base, `${token}x`, "none")),
    foreignNumber: await hello(foreign),
    noSuchTemplate: (await whatsapp.sendMessage(number, to, new Template("no_such_thing", new Language("en_US")))).error,
  }),
);
