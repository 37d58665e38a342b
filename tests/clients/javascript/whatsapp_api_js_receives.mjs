// A web server of a user of whatsapp-api-js; says where it listens, and what it hears. Answers "Hola".
import { createServer } from "node:http";
import { Text } from "whatsapp-api-js/messages";
import { client } from "./whatsapp_api_js_client.mjs";

const { base, token, secret } = JSON.parse(process.argv[2]);
const whatsapp = client(base, token, secret);
const say = (what) => console.log(JSON.stringify(what));

whatsapp.on.message = async ({ from, message, reply }) => {
  const sent = await reply(new Text(`You said: ${message.text.body}`));
  say({ heard: message.text.body, from, answered: sent.messages[0].id });
};
whatsapp.on.status = ({ status, id }) => say({ status, id });

const server = createServer(async (request, response) => {
  response.statusCode = await whatsapp.handle_post(request);
  response.end();
  if (response.statusCode !== 200) say({ refused: true });
});
server.listen(0, "127.0.0.1", () => say(`http://127.0.0.1:${server.address().port}/hooks`));
