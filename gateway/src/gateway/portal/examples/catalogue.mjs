import { existsSync, readFileSync, writeFileSync } from "node:fs";

const base = "@@api@@/curriculum/v1/catalogue";
const kept = existsSync("catalogue.json")
  ? JSON.parse(readFileSync("catalogue.json", "utf8"))
  : { last: 0, courses: {} };

let more = true;
while (more) {
  const feed = await (await fetch(`${base}/changes?after=${kept.last}`)).json();
  for (const slug of new Set(feed.changes.map((change) => change.slug))) {
    const course = await fetch(`${base}/courses/${slug}`);
    if ([404, 410].includes(course.status)) delete kept.courses[slug]; // withdrawn
    else kept.courses[slug] = await course.json();
  }
  kept.last = feed.last_sequence;
  more = feed.more;
}

writeFileSync("catalogue.json", JSON.stringify(kept));
for (const { slug, title } of Object.values(kept.courses)) console.log(slug, title.en);
