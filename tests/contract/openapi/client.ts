// A client whose types are made from the API's document: what it may send and what it gets is known to the compiler.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Problem = components["schemas"]["Problem"];

declare const process: { env: { API: string; TOKEN: string; KEY: string } };

const { API, TOKEN, KEY } = process.env;
const api = createClient<paths>({ baseUrl: API, headers: { Authorization: `Bearer ${TOKEN}` } });

const calls = await api.GET("/enrolment/v1/calls", { params: { query: { limit: 1 } } });
const titles = (calls.data?.items ?? []).map((call) => call.title["en"]);

const organisation: components["schemas"]["enrolment.NewOrganisation"] = {
  name: "Baltic Ocean Cluster",
  country: "LT",
  kind: "cluster",
};
const header = { "Idempotency-Key": KEY };
const first = await api.POST("/enrolment/v1/organisations", { params: { header }, body: organisation });
const again = await api.POST("/enrolment/v1/organisations", { params: { header }, body: organisation });

// @ts-expect-error -- a kind that there is not
const unfit = await api.POST("/enrolment/v1/organisations", { body: { ...organisation, kind: "party" } });
const problem: Problem | undefined = unfit.error;

const path = { call_id: "call_nobody" };
const missing: Problem | undefined = (await api.GET("/enrolment/v1/calls/{call_id}", { params: { path } })).error;
// @ts-expect-error -- a change says which revision it changes
await api.PATCH("/enrolment/v1/calls/{call_id}", { params: { path }, body: { closes_at: "2026-06-14T22:00:00Z" } });

console.log(
  JSON.stringify({
    titles,
    created: [first.data?.organisation_id, again.data?.organisation_id],
    remaining: first.response.headers.get("ratelimit"),
    problem: [problem?.code, problem?.errors?.map((error) => error.field)],
    missing: [missing?.status, missing?.code],
  }),
);
