// What a person's browser does, without one: cookies, redirects, and the forms of our pages.

const hidden = (html) =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [
      name,
      value.replaceAll("&amp;", "&").replaceAll("&#34;", '"').replaceAll("&#39;", "'"),
    ]),
  );

export class Browser {
  #cookies = new Map();

  constructor(user) {
    this.user = user;
  }

  async #fetch(url, form) {
    const answer = await fetch(url, {
      redirect: "manual",
      method: form ? "POST" : "GET",
      headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      body: form && new URLSearchParams(form),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      this.#cookies.set(name, value);
    }
    return answer;
  }

  /** Open an authorization address, sign in and allow it; the address that the application is called back at. */
  async allow(start, callback) {
    let url = start;
    let answer = await this.#fetch(url);
    for (let step = 0; step < 8; step++) {
      if (answer.status === 303) {
        url = new URL(answer.headers.get("location"), url);
        if (url.href.startsWith(callback)) return url;
        answer = await this.#fetch(url);
        continue;
      }
      const page = await answer.text();
      if (answer.status !== 200) throw new Error(`${answer.status} at ${url.pathname}: ${page.slice(0, 400)}`);
      const signingIn = url.pathname === "/login";
      const filled = signingIn
        ? { username: this.user.username, password: this.user.password }
        : { decision: "allow" };
      url = new URL(signingIn ? "/login" : "/consent", url);
      answer = await this.#fetch(url, { ...hidden(page), ...filled });
    }
    throw new Error(`the application is not called back from ${start}`);
  }
}
