// Passkeys: a form marked [data-passkey] appears where the browser has them, and sends what the authenticator answers.
// Without this file the page keeps its password form.
const decoded = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const known = (list) => (list ?? []).map((one) => ({ ...one, id: decoded(one.id) }));

const create = async (options) => {
  const publicKey = {
    ...options,
    challenge: decoded(options.challenge),
    user: { ...options.user, id: decoded(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  };
  const { id, type, response } = await navigator.credentials.create({ publicKey });
  const { clientDataJSON, attestationObject } = response;
  const answered = { clientDataJSON: encoded(clientDataJSON), attestationObject: encoded(attestationObject) };
  return { id, rawId: id, type, response: answered };
};

const get = async (options) => {
  const publicKey = { ...options, challenge: decoded(options.challenge), allowCredentials: known(options.allowCredentials) };
  const { id, type, response } = await navigator.credentials.get({ publicKey });
  const names = ["clientDataJSON", "authenticatorData", "signature", "userHandle"];
  const answered = Object.fromEntries(names.filter((name) => response[name]).map((name) => [name, encoded(response[name])]));
  return { id, rawId: id, type, response: answered };
};

for (const form of window.PublicKeyCredential ? document.querySelectorAll("form[data-passkey]") : []) {
  const said = form.querySelector("[role=alert]");
  const button = form.querySelector("button");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.hidden = true;
    button.disabled = true;
    try {
      const body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
      const answer = await fetch(form.dataset.options, { method: "POST", body });
      if (!answer.ok) throw new Error(String(answer.status));
      const ceremony = form.dataset.passkey === "create" ? create : get;
      form.elements.credential.value = JSON.stringify(await ceremony(await answer.json()));
      form.submit();
    } catch {
      // The person closed the dialogue, or the browser refused: nothing was sent.
      said.hidden = false;
      button.disabled = false;
    }
  });
}
