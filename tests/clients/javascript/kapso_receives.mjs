// A web server of a user of @kapso/whatsapp-cloud-api; says where it listens, and what it hears. Answers "Hola".
import { createServer } from "node:http";
import { normalizeWebhook, verifySignature } from "@kapso/whatsapp-cloud-api/server";
import { client } from "./kapso_client.mjs";

const { base, token, number, secret } = JSON.parse(process.argv[2]);
const whatsapp = client(base, token);
const say = (what) => console.log(JSON.stringify(what));

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const rawBody = Buffer.concat(parts);
  const signatureHeader = request.headers["x-hub-signature-256"];
  if (!verifySignature({ appSecret: secret, rawBody, signatureHeader })) {
    say({ refused: true });
    return response.writeHead(401).end();
  }
  response.writeHead(200).end();
  const events = normalizeWebhook(JSON.parse(rawBody.toString("utf8")));
  for (const { id, status } of events.statuses) say({ status, id });
  for (const { from, text } of events.messages) {
    const sent = await whatsapp.messages.sendText({ phoneNumberId: number, to: from, body: `You said: ${text.body}` });
    say({ heard: text.body, from, answered: sent.messages[0].id });
  }
});
server.listen(0, "127.0.0.1", () => say(`http://127.0.0.1:${server.address().port}/hooks`));
