const client = "@@client_id@@:" + process.env.CME_CLIENT_SECRET;

const read = async (url, options) => {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer.json();
};

const { access_token: token } = await read("@@base@@/oauth/token", {
  method: "POST",
  headers: { Authorization: "Basic " + Buffer.from(client).toString("base64") },
  body: new URLSearchParams({ grant_type: "client_credentials" }),
});

let after = null;
do {
  const url = new URL("@@api@@/enrolment/v1/organisations");
  if (after) url.searchParams.set("after", after);
  const page = await read(url, { headers: { Authorization: `Bearer ${token}` } });
  for (const { name, country } of page.items) console.log(name, country);
  after = page.next;
} while (after);
