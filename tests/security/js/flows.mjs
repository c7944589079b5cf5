// Every flow of the authorization server, played by openid-client. Reads the stack from stdin, prints what each flow gave.

import * as client from "openid-client";
import { Browser } from "./browser.mjs";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { issuer, clients, user, resource } = JSON.parse(Buffer.concat(chunks).toString());
const CALLBACK = "http://127.0.0.1:5555/callback";
const insecure = { execute: [client.allowInsecureRequests] };
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const READ_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/scope/credential.readonly";

const key = (jwk) => crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
const authentication = async (known) => {
  if (known.client_secret) return client.ClientSecretBasic(known.client_secret);
  if (known.private_jwk) return client.PrivateKeyJwt({ key: await key(known.private_jwk), kid: known.private_jwk.kid });
  return client.None();
};
const configured = async (name, algorithm = "oidc") => {
  const known = clients[name];
  const options = { ...insecure, algorithm };
  return client.discovery(new URL(issuer), known.client_id, undefined, await authentication(known), options);
};
const expect = (condition, what) => {
  if (!condition) throw new Error(what);
};
const refused = async (promise, code) => {
  try {
    await promise;
  } catch (error) {
    expect(error.error === code, `refused with ${error.error ?? error.message}, not ${code}`);
    return;
  }
  throw new Error(`not refused with ${code}`);
};

/** The code flow with everything that a careful application checks. */
async function signIn(config, { pushed = false, jar, dpop, scope = "openid profile email", ...extra } = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: client.randomState() };
  if (scope.includes("openid")) checks.expectedNonce = client.randomNonce();
  const parameters = {
    redirect_uri: CALLBACK,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    ...(checks.expectedNonce && { nonce: checks.expectedNonce }),
    ...extra,
  };
  let url = client.buildAuthorizationUrl(config, parameters);
  if (jar) url = await client.buildAuthorizationUrlWithJAR(config, parameters, jar);
  if (pushed) url = await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP: dpop });
  const back = await new Browser(user).allow(url, CALLBACK);
  expect(back.searchParams.get("iss") === issuer, "no iss in the authorization response");
  return client.authorizationCodeGrant(config, back, checks, undefined, { DPoP: dpop });
}

const api = (config, token, dpop) =>
  client.fetchProtectedResource(config, token, new URL(resource, issuer), "GET", null, undefined, { DPoP: dpop });

const flows = {
  "oauth: metadata by RFC 8414": async () => {
    const metadata = (await configured("sandbox-secret", "oauth2")).serverMetadata();
    expect(metadata.issuer === issuer && metadata.supportsPKCE(), "the metadata does not hold");
  },
  "oauth: client credentials with a secret": async () => {
    const config = await configured("sandbox-secret");
    const { access_token: token } = await client.clientCredentialsGrant(config, { scope: "enrolment.applications:read" });
    const about = await client.tokenIntrospection(config, token);
    expect(about.active && about.scope === "enrolment.applications:read", "introspection does not know its token");
    await client.tokenRevocation(config, token);
    expect(!(await client.tokenIntrospection(config, token)).active, "a revoked token is active");
    await refused(client.clientCredentialsGrant(config, { scope: "enrolment.calls:write" }), "invalid_scope");
    await refused(client.clientCredentialsGrant(config, { resource: "https://else.example" }), "invalid_target");
  },
  "oauth: client credentials with a signed assertion": async () => {
    const config = await configured("sandbox-jwt");
    const tokens = await client.clientCredentialsGrant(config, { resource: issuer });
    expect((await api(config, tokens.access_token)).status === 200, "the API refuses the token");
  },
  "oauth: client credentials bound to a key": async () => {
    const config = await configured("sandbox-secret");
    const dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    const tokens = await client.clientCredentialsGrant(config, {}, { DPoP: dpop });
    expect(tokens.token_type === "dpop", `token_type is ${tokens.token_type}`);
    expect((await api(config, tokens.access_token, dpop)).status === 200, "the API refuses the token and its proof");
    const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    const thief = await api(config, tokens.access_token, other).catch((error) => error);
    expect(thief.status === 401, "the API takes a proof of another key");
  },
  "oauth: an app on somebody's machine": async () => {
    const config = await configured("sandbox-app");
    const tokens = await signIn(config);
    const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    expect(person.name && person.sub === user.subject, "userinfo does not know the person");
    const rotated = await client.refreshTokenGrant(config, tokens.refresh_token);
    expect(rotated.refresh_token !== tokens.refresh_token, "an app's refresh token is not rotated");
    await refused(client.refreshTokenGrant(config, tokens.refresh_token), "invalid_grant");
    await refused(client.refreshTokenGrant(config, rotated.refresh_token), "invalid_grant");
  },
  "oauth: an app bound to its key, its code too": async () => {
    const config = await configured("sandbox-app");
    const dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    const jkt = await dpop.calculateThumbprint();
    const tokens = await signIn(config, { dpop, dpop_jkt: jkt });
    await refused(client.refreshTokenGrant(config, tokens.refresh_token), "invalid_grant");
    const again = await client.refreshTokenGrant(config, tokens.refresh_token, {}, { DPoP: dpop });
    const person = await client.fetchUserInfo(config, again.access_token, user.subject, { DPoP: dpop });
    expect(person.sub === user.subject, "userinfo does not know the person");
  },
  "oauth: a web application with pushed requests": async () => {
    const config = await configured("sandbox-web");
    const tokens = await signIn(config, { pushed: true, max_age: "3600" });
    expect(tokens.claims().auth_time, "no auth_time");
    const again = await client.refreshTokenGrant(config, tokens.refresh_token);
    expect(again.access_token && !again.refresh_token, "a confidential client's refresh token is rotated");
    await client.tokenRevocation(config, tokens.refresh_token);
    await refused(client.refreshTokenGrant(config, tokens.refresh_token), "invalid_grant");
    expect(!(await client.tokenIntrospection(config, again.access_token)).active, "the grant outlives its end");
  },
  "oauth: a web application with signed requests": async () => {
    const config = await configured("sandbox-web");
    const jar = { key: await key(clients["sandbox-web"].private_jwk), kid: clients["sandbox-web"].private_jwk.kid };
    expect((await signIn(config, { jar })).claims().sub === user.subject, "somebody else signed in");
  },
  "oauth: registration of an Open Badges app": async () => {
    const metadata = {
      client_name: "A wallet",
      redirect_uris: [CALLBACK],
      scope: READ_BADGES,
      grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "client_secret_basic",
    };
    const secret = client.ClientSecretBasic();
    const config = await client.dynamicClientRegistration(new URL(issuer), metadata, secret, insecure);
    const tokens = await signIn(config, { scope: READ_BADGES });
    expect(tokens.scope === READ_BADGES, `scope is ${tokens.scope}`);
    await refused(
      client.dynamicClientRegistration(new URL(issuer), { ...metadata, scope: "operations:read" }, secret, insecure),
      "invalid_client_metadata",
    );
  },
  "oauth: a token for less": async () => {
    const config = await configured("exchanger");
    const { access_token: token } = await client.clientCredentialsGrant(config);
    const less = await client.genericGrantRequest(config, EXCHANGE, {
      subject_token: token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      scope: "curriculum.catalogue:read",
    });
    expect(less.scope === "curriculum.catalogue:read", `scope is ${less.scope}`);
  },
  "fapi: client credentials": async () => {
    const config = await configured("sandbox-fapi");
    const dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    await refused(client.clientCredentialsGrant(config, {}), "invalid_dpop_proof");
    const tokens = await client.clientCredentialsGrant(config, { scope: "enrolment.applications:read" }, { DPoP: dpop });
    expect(tokens.token_type === "dpop", `token_type is ${tokens.token_type}`);
    expect((await api(config, tokens.access_token, dpop)).status === 200, "the API refuses the token and its proof");
  },
  "fapi: the code flow": async () => {
    const config = await configured("sandbox-fapi");
    const dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    const tokens = await signIn(config, { pushed: true, dpop });
    const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP: dpop });
    expect(person.sub === user.subject, "userinfo does not know the person");
    const again = await client.refreshTokenGrant(config, tokens.refresh_token, {}, { DPoP: dpop });
    expect(again.token_type === "dpop" && !again.refresh_token, "the refresh token is rotated");
    expect((await client.tokenIntrospection(config, again.access_token)).cnf.jkt, "the token is bound to nothing");
    await client.tokenRevocation(config, tokens.refresh_token);
    await refused(client.refreshTokenGrant(config, tokens.refresh_token, {}, { DPoP: dpop }), "invalid_grant");
  },
  "fapi: a request that was not pushed": async () => {
    const config = await configured("sandbox-fapi");
    await refused(signIn(config), "invalid_request");
  },
};

const results = {};
for (const [name, play] of Object.entries(flows)) {
  try {
    await play();
    results[name] = "ok";
  } catch (error) {
    results[name] = `${error.error ?? error.code ?? error.name}: ${error.error_description ?? error.message} ${error.cause ?? ""}`;
  }
}
console.log(JSON.stringify(results, null, 1));
