// What a user of @kapso/whatsapp-cloud-api does in a day; says what came of it.
import { readFileSync } from "node:fs";
import { client } from "./kapso_client.mjs";

const { base, token, number, foreign, waba, to, inbound, file } = JSON.parse(process.argv[2]);
const whatsapp = client(base, token);
const idOf = (answer) => answer.messages[0].id;
const errorOf = (sent) =>
  sent.then(
    () => null,
    ({ code, errorSubcode, type, fbtraceId, details }) => ({
      code, type, error_subcode: errorSubcode, fbtrace_id: fbtraceId, error_data: { details },
    }),
  );

const text = idOf(await whatsapp.messages.sendText({ phoneNumberId: number, to, body: "Hola, ¿qué tal? ☎" }));
const template = idOf(
  await whatsapp.messages.sendTemplate({
    phoneNumberId: number, to, template: { name: "hello_world", language: { code: "en_US" } },
  }),
);
const picture = new Blob([readFileSync(file)], { type: "image/png" });
const media = (
  await whatsapp.media.upload({ phoneNumberId: number, type: "image/png", file: picture, fileName: "cat.png" })
).id;
const back = await whatsapp.media.download({ mediaId: media, auth: "always" });
const image = idOf(await whatsapp.messages.sendImage({ phoneNumberId: number, to, image: { id: media } }));
const read = await whatsapp.messages.markRead({ phoneNumberId: number, messageId: inbound });
const templates = (await whatsapp.templates.list({ businessAccountId: waba })).data.map((one) => one.name);
const hello = (phoneNumberId, by = whatsapp) => errorOf(by.messages.sendText({ phoneNumberId, to, body: "Hola" }));
console.log(
  JSON.stringify({
    text, template, media, downloaded: Buffer.from(back).toString("base64"), image, read: read.success, templates,
    badKey: await hello(number, client(base, `${token}x`)),
    foreignNumber: await hello(foreign),
    noSuchTemplate: await errorOf(
      whatsapp.messages.sendTemplate({
        phoneNumberId: number, to, template: { name: "no_such_thing", language: { code: "en_US" } },
      }),
    ),
  }),
);
