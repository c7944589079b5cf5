// node provider.mjs PORT CLIENTS: an OpenID provider with two people, alice and bob, any password.
// CLIENTS is a JSON list of client metadata. Prints one line when it listens.
import { Provider } from "oidc-provider";

const [port, clients] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = { alice: { name: "Alice Andersson", locale: "sv" }, bob: {} };
const provider = new Provider(issuer, {
  clients: JSON.parse(clients),
  claims: { openid: ["sub"], profile: ["name", "locale"] },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ["a key of the tests"] },
  ttl: { AuthorizationCode: 60, AccessToken: 60, IdToken: 60, Interaction: 600, Session: 600, Grant: 600 },
});
provider.listen(Number(port), "127.0.0.1", () => console.log(issuer));
